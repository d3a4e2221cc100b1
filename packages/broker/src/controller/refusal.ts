/** Why a part of a request is not done: Kafka's code, and words for whoever asked. */
export class Refusal {
  constructor(
    readonly errorCode: number,
    readonly message: string,
  ) {}
}

export function refuse(errorCode: number, message: string): Refusal {
  return new Refusal(errorCode, message)
}

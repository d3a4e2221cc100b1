import { type ConfigDefinition, type ConfigType, only, unset } from './config-definition.js'

/*
 * Configs that Kafka's brokers have and this one does not act upon, so that tools which look for
 * them find what they expect. Each keeps its default: setting it to anything else is refused with
 * the reason, setting it to the default changes nothing.
 *
 * A line is a name, a type and a default (~: unset, "": empty); a star marks what Kafka lets
 * administrators change while the broker runs. A line with # begins a group and gives its reason; a
 * line that begins with spaces continues the one before. Taken from what a Kafka 4.2 answers to
 * DescribeConfigs.
 */
const table = `
# its listener has no TLS
security.providers string ~
ssl.allow.dn.changes boolean false
ssl.allow.san.changes boolean false
*ssl.cipher.suites list ""
*ssl.client.auth string none
*ssl.enabled.protocols list TLSv1.2,TLSv1.3
*ssl.endpoint.identification.algorithm string https
*ssl.engine.factory.class class ~
*ssl.key.password password ~
*ssl.keymanager.algorithm string SunX509
*ssl.keystore.certificate.chain password ~
*ssl.keystore.key password ~
*ssl.keystore.location string ~
*ssl.keystore.password password ~
*ssl.keystore.type string JKS
ssl.principal.mapping.rules string DEFAULT
*ssl.protocol string TLSv1.3
*ssl.provider string ~
*ssl.secure.random.implementation string ~
*ssl.trustmanager.algorithm string PKIX
*ssl.truststore.certificates password ~
*ssl.truststore.location string ~
*ssl.truststore.password password ~
*ssl.truststore.type string JKS
# its listener has no SASL
connection.failed.authentication.delay.ms int 100
connections.max.reauth.ms long 0
*principal.builder.class class
  org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder
sasl.client.callback.handler.class class ~
*sasl.enabled.mechanisms list GSSAPI
*sasl.jaas.config password ~
*sasl.kerberos.kinit.cmd string /usr/bin/kinit
*sasl.kerberos.min.time.before.relogin long 60000
*sasl.kerberos.principal.to.local.rules list DEFAULT
*sasl.kerberos.service.name string ~
*sasl.kerberos.ticket.renew.jitter double 0.05
*sasl.kerberos.ticket.renew.window.factor double 0.8
sasl.login.callback.handler.class class ~
sasl.login.class class ~
sasl.login.connect.timeout.ms int ~
sasl.login.read.timeout.ms int ~
*sasl.login.refresh.buffer.seconds short 300
*sasl.login.refresh.min.period.seconds short 60
*sasl.login.refresh.window.factor double 0.8
*sasl.login.refresh.window.jitter double 0.05
sasl.login.retry.backoff.max.ms long 10000
sasl.login.retry.backoff.ms long 100
sasl.mechanism.controller.protocol string GSSAPI
*sasl.mechanism.inter.broker.protocol string GSSAPI
sasl.oauthbearer.assertion.algorithm string RS256
sasl.oauthbearer.assertion.claim.aud string ~
sasl.oauthbearer.assertion.claim.exp.seconds int 300
sasl.oauthbearer.assertion.claim.iss string ~
sasl.oauthbearer.assertion.claim.jti.include boolean false
sasl.oauthbearer.assertion.claim.nbf.seconds int 60
sasl.oauthbearer.assertion.claim.sub string ~
sasl.oauthbearer.assertion.file string ~
sasl.oauthbearer.assertion.private.key.file string ~
sasl.oauthbearer.assertion.private.key.passphrase password ~
sasl.oauthbearer.assertion.template.file string ~
sasl.oauthbearer.client.credentials.client.id string ~
sasl.oauthbearer.client.credentials.client.secret password ~
sasl.oauthbearer.clock.skew.seconds int 30
sasl.oauthbearer.expected.audience list ""
sasl.oauthbearer.expected.issuer string ~
sasl.oauthbearer.jwks.endpoint.refresh.ms long 3600000
sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms long 10000
sasl.oauthbearer.jwks.endpoint.retry.backoff.ms long 100
sasl.oauthbearer.jwks.endpoint.url string ~
sasl.oauthbearer.jwt.retriever.class class
  org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever
sasl.oauthbearer.jwt.validator.class class
  org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator
sasl.oauthbearer.scope string ~
sasl.oauthbearer.scope.claim.name string scope
sasl.oauthbearer.sub.claim.name string sub
sasl.oauthbearer.token.endpoint.url string ~
sasl.server.callback.handler.class class ~
sasl.server.max.receive.size int 524288
# there is no authorizer and no delegation token
authorizer.class.name string ""
delegation.token.expiry.check.interval.ms long 3600000
delegation.token.expiry.time.ms long 86400000
delegation.token.max.lifetime.ms long 604800000
delegation.token.secret.key password ~
# tiered storage is not supported
*remote.fetch.max.wait.ms int 500
*remote.list.offsets.request.timeout.ms long 30000
*remote.log.index.file.cache.total.size.bytes long 1073741824
*remote.log.manager.copier.thread.pool.size int 10
*remote.log.manager.copy.max.bytes.per.second long 9223372036854775807
remote.log.manager.copy.quota.window.num int 11
remote.log.manager.copy.quota.window.size.seconds int 1
*remote.log.manager.expiration.thread.pool.size int 10
*remote.log.manager.fetch.max.bytes.per.second long 9223372036854775807
remote.log.manager.fetch.quota.window.num int 11
remote.log.manager.fetch.quota.window.size.seconds int 1
*remote.log.manager.follower.thread.pool.size int 2
remote.log.manager.task.interval.ms long 30000
remote.log.manager.thread.pool.size int 2
remote.log.metadata.custom.metadata.max.bytes int 128
remote.log.metadata.manager.class.name string
  org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager
remote.log.metadata.manager.class.path string ~
remote.log.metadata.manager.impl.prefix string rlmm.config.
remote.log.metadata.manager.listener.name string ~
remote.log.reader.max.pending.tasks int 100
*remote.log.reader.threads int 10
remote.log.storage.manager.class.name string ~
remote.log.storage.manager.class.path string ~
remote.log.storage.manager.impl.prefix string rsm.config.
remote.log.storage.system.enable boolean false
# share groups are not supported
group.share.assignors list simple
group.share.delivery.count.limit int 5
group.share.heartbeat.interval.ms int 5000
group.share.max.heartbeat.interval.ms int 15000
group.share.max.record.lock.duration.ms int 60000
group.share.max.session.timeout.ms int 60000
group.share.max.share.sessions int 2000
group.share.max.size int 200
group.share.min.heartbeat.interval.ms int 5000
group.share.min.record.lock.duration.ms int 15000
group.share.min.session.timeout.ms int 45000
group.share.partition.max.record.locks int 2000
group.share.record.lock.duration.ms int 30000
group.share.session.timeout.ms int 45000
share.coordinator.append.linger.ms int -1
share.coordinator.load.buffer.size int 5242880
share.coordinator.snapshot.update.records.per.snapshot int 500
share.coordinator.state.topic.compression.codec int 0
share.coordinator.state.topic.min.isr short 2
share.coordinator.state.topic.num.partitions int 50
share.coordinator.state.topic.replication.factor short 3
share.coordinator.state.topic.segment.bytes int 104857600
share.coordinator.threads int 1
share.coordinator.write.timeout.ms int 5000
share.fetch.purgatory.purge.interval.requests int 1000
# streams groups are not supported
group.streams.heartbeat.interval.ms int 5000
group.streams.initial.rebalance.delay.ms int 3000
group.streams.max.heartbeat.interval.ms int 15000
group.streams.max.session.timeout.ms int 60000
group.streams.max.size int 2147483647
group.streams.max.standby.replicas int 2
group.streams.min.heartbeat.interval.ms int 5000
group.streams.min.session.timeout.ms int 45000
group.streams.num.standby.replicas int 0
group.streams.session.timeout.ms int 45000
# groups have no such setting here
group.consumer.max.heartbeat.interval.ms int 15000
group.consumer.max.session.timeout.ms int 60000
group.consumer.migration.policy string bidirectional
group.consumer.min.heartbeat.interval.ms int 5000
group.consumer.min.session.timeout.ms int 45000
# there are no quotas
alter.log.dirs.replication.quota.window.num int 11
alter.log.dirs.replication.quota.window.size.seconds int 1
client.quota.callback.class class ~
controller.quota.window.num int 11
controller.quota.window.size.seconds int 1
quota.window.num int 11
quota.window.size.seconds int 1
replication.quota.window.num int 11
replication.quota.window.size.seconds int 1
# there are no reporters of metrics
kafka.metrics.polling.interval.secs int 10
kafka.metrics.reporters list ""
*metric.reporters list org.apache.kafka.common.metrics.JmxReporter
metrics.num.samples int 2
metrics.recording.level string INFO
metrics.sample.window.ms long 30000
telemetry.max.bytes int 1048576
# transactions have no such setting here
add.partitions.to.txn.retry.backoff.max.ms int 100
add.partitions.to.txn.retry.backoff.ms int 20
*transaction.partition.verification.enable boolean true
transaction.state.log.load.buffer.size int 5242880
transaction.state.log.min.isr int 2
transaction.state.log.replication.factor short 3
transaction.two.phase.commit.enable boolean false
# a partition has one replica
auto.leader.rebalance.enable boolean true
leader.imbalance.check.interval.seconds long 300
num.replica.alter.log.dirs.threads int ~
*num.replica.fetchers int 1
replica.fetch.backoff.ms int 1000
replica.fetch.max.bytes int 1048576
replica.fetch.min.bytes int 1
replica.fetch.response.max.bytes int 10485760
replica.fetch.wait.max.ms int 500
replica.high.watermark.checkpoint.interval.ms long 5000
replica.lag.time.max.ms long 30000
replica.selector.class string ~
replica.socket.receive.buffer.bytes int 65536
replica.socket.timeout.ms int 30000
# the metadata log has one writer, and keeps every record
broker.heartbeat.interval.ms int 2000
controlled.shutdown.enable boolean true
controller.listener.names list ~
controller.quorum.append.linger.ms int 25
controller.quorum.auto.join.enable boolean false
controller.quorum.bootstrap.servers list ""
controller.quorum.election.backoff.max.ms int 1000
controller.quorum.election.timeout.ms int 1000
controller.quorum.fetch.timeout.ms int 2000
controller.quorum.request.timeout.ms int 2000
controller.quorum.retry.backoff.ms int 20
controller.socket.timeout.ms int 30000
early.start.listeners list ~
initial.broker.registration.timeout.ms int 60000
metadata.log.dir string ~
metadata.log.max.record.bytes.between.snapshots long 20971520
metadata.log.max.snapshot.interval.ms long 3600000
metadata.log.segment.bytes int 1073741824
metadata.log.segment.ms long 604800000
metadata.max.idle.interval.ms int 500
metadata.max.retention.bytes long 104857600
metadata.max.retention.ms long 604800000
process.roles list ~
# the broker has one listener, for clients and brokers alike
inter.broker.listener.name string ~
*listener.security.protocol.map string
  SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT
security.inter.broker.protocol string PLAINTEXT
# classes of Java cannot be loaded
alter.config.policy.class.name class ~
*config.providers list ""
create.topic.policy.class.name class ~
# the broker works in one thread and without such queues
*background.threads int 10
delete.records.purgatory.purge.interval.requests int 1
fetch.purgatory.purge.interval.requests int 1000
group.coordinator.append.linger.ms int -1
group.coordinator.threads int 4
*log.cleaner.io.buffer.load.factor double 0.9
*log.cleaner.io.buffer.size int 524288
max.request.partition.size.limit int 2000
*num.io.threads int 8
*num.network.threads int 3
*num.recovery.threads.per.data.dir int 2
offsets.commit.timeout.ms int 5000
offsets.load.buffer.size int 5242880
producer.purgatory.purge.interval.requests int 1000
queued.max.requests int 500
socket.connection.setup.timeout.max.ms long 30000
socket.connection.setup.timeout.ms long 10000
socket.listen.backlog.size int 50
socket.receive.buffer.bytes int 102400
socket.send.buffer.bytes int 102400
# this broker has nothing of the kind
group.coordinator.rebalance.protocols list classic,consumer,streams
log.dir list /tmp/kafka-logs
log.dir.failure.timeout.ms long 30000
log.flush.start.offset.checkpoint.interval.ms int 60000
*max.connection.creation.rate int 2147483647
*max.connections.per.ip.overrides string ""
offsets.topic.compression.codec int 0
`

/** A config that keeps its default. */
export interface FixedConfig extends ConfigDefinition {
  /** Whether Kafka would let it be changed while the broker runs. */
  readonly dynamic: boolean
}

/** The configs that keep their default, by name. */
export const fixedBrokerConfigs: ReadonlyMap<string, FixedConfig> = readTable()

function readTable(): Map<string, FixedConfig> {
  const configs = new Map<string, FixedConfig>()
  let reason = ''
  for (const line of table.trim().replaceAll('\n  ', ' ').split('\n')) {
    if (line.startsWith('# ')) {
      reason = line.slice(2)
      continue
    }
    const [starred, type, text] = line.split(' ') as [string, ConfigType, string]
    const dynamic = starred.startsWith('*')
    const name = dynamic ? starred.slice(1) : starred
    const value = text === '""' ? '' : text
    configs.set(name, {
      ...{ name, type, dynamic, importance: 'low' },
      default: value === '~' ? null : value,
      doc: `Keeps its default: ${reason}.`,
      check: value === '~' ? unset(reason) : only(value, reason),
    })
  }
  return configs
}

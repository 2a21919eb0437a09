import CKafka
import Metrics
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// Against librdkafka's mock cluster, read back by a consumer.
@Suite(.timeLimit(.minutes(10)))
struct KafkaTests {
    private func make(
        _ cluster: KafkaCluster, _ values: [String: String] = [:], _ sections: [String: [String: String]] = [:]
    ) throws -> any Backend {
        let minimum = ["brokers": cluster.bootstraps[0], "topic": "metrics", "payload": "json"]
        return try BackendFixture.make("kafka", minimum.merging(values) { $1 }, sections)
    }

    private func attempt(_ backend: any Backend, _ chunk: Chunk) async -> Answer {
        let transport = HTTPTransport()
        defer { transport.close() }
        return await backend.send(BackendFixture.encode(backend, chunk), of: chunk, attempt: 1, over: transport)
    }

    private func chunk(_ values: [Double] = [1], tenant: String = "acme") -> Chunk {
        BackendFixture.chunk(BackendFixture.samples(values), tenant: tenant)
    }

    private func values(_ body: [UInt8]) throws -> [Double] {
        let batch = try WireDecoding.records(body).batch
        return (0..<batch.points.count).map { Double(bitPattern: batch.points.bits[$0]) }
    }

    @Test(arguments: ["zstd", "lz4", "snappy", "gzip", "none"])
    func `each point is in the topic, a tenant's in one partition and in order, with what it takes to read it`(
        _ compression: String
    ) async throws {
        let cluster = try KafkaCluster()
        cluster.makeTopic("metrics", partitions: 4)
        let backend = try make(cluster, ["compression": compression])
        for number in 0..<5 {
            for tenant in ["acme", "shop"] {
                let points = chunk((0..<20).map { Double(number * 20 + $0) }, tenant: tenant)
                #expect(await BackendFixture.deliver(backend, points) == .delivered)
            }
        }
        let messages = try await cluster.messages(of: "metrics", partitions: 4)
        #expect(messages.count == 10)
        for tenant in ["acme", "shop"] {
            let own = messages.filter { $0.key == tenant }
            #expect(Set(own.map(\.partition)).count == 1)
            #expect(try own.flatMap { try values($0.body) } == (0..<100).map { Double($0) })
            #expect(own.allSatisfy { $0.headers["holdfast-tenant"] == tenant })
            #expect(own.allSatisfy { $0.headers["content-type"] == "application/x-ndjson" })
            #expect(Set(own.map { $0.headers["holdfast-id"] }).count == 5)
        }
    }

    @Test func `a topic may be a tenant's, lines and OTLP are what their readers take, and a key is no must`()
        async throws
    {
        let cluster = try KafkaCluster()
        for topic in ["m-acme", "m-shop"] { cluster.makeTopic(topic, partitions: 1) }
        for (payload, tenant) in [("line_protocol", "acme"), ("otlp", "shop")] {
            let backend = try make(cluster, ["topic": "m-{tenant}", "payload": payload, "key": "none"])
            #expect(await BackendFixture.deliver(backend, chunk([1.5, 2.5], tenant: tenant)) == .delivered)
        }
        let lines = try await cluster.messages(of: "m-acme", partitions: 1)
        #expect(lines.map(\.key) == [""])
        let batch = try WireDecoding.lines(lines[0].body).batch
        #expect((0..<2).map { Double(bitPattern: batch.points.bits[$0]) } == [1.5, 2.5])
        let messages = try await cluster.messages(of: "m-shop", partitions: 1)
        #expect(try OTLPMessage(messages[0].body).points.count == 2)
    }

    // MARK: Errors

    @Test func `what passes is tried again by the producer, and is in the log once`() async throws {
        let cluster = try KafkaCluster()
        cluster.makeTopic("metrics", partitions: 1)
        let backend = try make(cluster)
        cluster.failProduce([
            RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        ])
        #expect(await BackendFixture.deliver(backend, chunk([1, 2])) == .delivered)
        let messages = try await cluster.messages(of: "metrics", partitions: 1)
        #expect(try messages.map { try values($0.body) } == [[1, 2]])
    }

    @Test func `too large for the broker is split`() async throws {
        let cluster = try KafkaCluster()
        cluster.makeTopic("metrics", partitions: 1)
        let backend = try make(cluster)
        cluster.failProduce([RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE])
        #expect(await BackendFixture.deliver(backend, chunk([1, 2])) == .tooLarge(limitBytes: nil))
        #expect(await BackendFixture.deliver(backend, chunk([1])) == .delivered)
    }

    @Test func `who may not write to a topic holds, and goes on when he may`() async throws {
        let cluster = try KafkaCluster()
        cluster.makeTopic("metrics", partitions: 1)
        let backend = try make(cluster)
        cluster.failProduce([RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED])
        guard case .hold(let reason) = await BackendFixture.deliver(backend, chunk()) else {
            Issue.record("it went on")
            return
        }
        #expect(reason.contains("TOPIC_AUTHORIZATION_FAILED"))
        var outcome = await BackendFixture.deliver(backend, chunk())
        // The library believes it until it asks for the topic again.
        while outcome != .delivered { outcome = await BackendFixture.deliver(backend, chunk()) }
        #expect(outcome == .delivered)
    }

    @Test func `a topic that is not there holds`() async throws {
        let cluster = try KafkaCluster()
        cluster.fail("metrics", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        guard case .hold(let reason) = await BackendFixture.deliver(try make(cluster), chunk())
        else {
            Issue.record("there is no topic")
            return
        }
        #expect(reason.contains("UNKNOWN_TOPIC"))
    }

    @Test func `brokers that are down and up again get what waited, once`() async throws {
        let cluster = try KafkaCluster()
        cluster.makeTopic("metrics", partitions: 1)
        let backend = try make(cluster, ["timeout": "3s"])
        #expect(await BackendFixture.deliver(backend, chunk([1])) == .delivered)
        cluster.goDown()
        for _ in 0..<2 {
            guard case .failure = await attempt(backend, chunk([2])) else {
                Issue.record("nobody was there")
                return
            }
        }
        cluster.comeUp()
        while case .failure = await attempt(backend, chunk([2])) {}
        let messages = try await cluster.messages(of: "metrics", partitions: 1)
        #expect(try messages.map { try values($0.body) } == [[1], [2]])
    }

    @Test func `what the producer still has is not handed to it twice, and what arrived unasked is remembered once`() {
        let replies = KafkaReplies(PendingAnswers())
        guard case .new(let token) = replies.standing(of: "a", for: 1), case .known = replies.standing(of: "a", for: 2),
            case .new(let other) = replies.standing(of: "b", for: 3)
        else {
            Issue.record("a message has one place")
            return
        }
        replies.reported(token, RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_MSG_STATUS_PERSISTED)
        replies.reported(other, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, RD_KAFKA_MSG_STATUS_NOT_PERSISTED)
        guard case .delivered = replies.standing(of: "a", for: 4), case .new = replies.standing(of: "a", for: 5),
            case .new = replies.standing(of: "b", for: 6)
        else {
            Issue.record("only what arrived is there")
            return
        }
    }

    @Test func `without any broker the attempt ends in time and has not arrived`() async throws {
        let backend = try BackendFixture.make(
            "kafka", ["brokers": "127.0.0.1:9", "topic": "metrics", "timeout": "6s"])
        guard case .failure(let failure) = await attempt(backend, chunk()) else {
            Issue.record("nobody was there")
            return
        }
        #expect(!failure.mayHaveArrived, "\(failure)")
    }

    @Test func `many attempts at once each have their own answer`() async throws {
        let cluster = try KafkaCluster()
        cluster.makeTopic("metrics", partitions: 3)
        let backend = try make(cluster)
        let outcomes = await withTaskGroup(of: DeliveryOutcome.self) { group in
            for number in 0..<100 {
                group.addTask { await BackendFixture.deliver(backend, chunk([Double(number)], tenant: "t\(number)")) }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.allSatisfy { $0 == .delivered })
        let messages = try await cluster.messages(of: "metrics", partitions: 3)
        #expect(Set(messages.map(\.key)).count == 100 && messages.count == 100)
    }

    @Test func `a file that is not there is said, and no password is`() async throws {
        let backend = try BackendFixture.make(
            "kafka", ["brokers": "127.0.0.1:9", "topic": "metrics", "sasl": "scram_sha_512"],
            [
                "tls": ["ca_file": "/nowhere/ca.pem"],
                "basic_auth": ["username": "node", "password": "env:s3cret"],
            ])
        #expect(!"\(backend)".contains("s3cret"))
        guard case .failure(let failure) = await attempt(backend, chunk()) else {
            Issue.record("there is no such file")
            return
        }
        #expect(!failure.mayHaveArrived && failure.reason.contains("ca") && !failure.reason.contains("s3cret"))
    }

    @Test(arguments: [
        (RD_KAFKA_RESP_ERR_NO_ERROR, "delivered"), (RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, "too_large"),
        (RD_KAFKA_RESP_ERR_INVALID_RECORD, "refused"), (RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, "hold"),
        (RD_KAFKA_RESP_ERR_POLICY_VIOLATION, "hold"), (RD_KAFKA_RESP_ERR__AUTHENTICATION, "hold"),
        (RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, "retry"), (RD_KAFKA_RESP_ERR__QUEUE_FULL, "retry"),
        (RD_KAFKA_RESP_ERR__FATAL, "retry"), (RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, "retry"),
    ])
    func `each report has its meaning, and says whether the message may be there`(
        _ error: rd_kafka_resp_err_t, _ name: String
    ) {
        #expect(BrokerOutcome.of(KafkaReport.answer(error, RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED)).name == name)
        guard case .failure(let failure) = KafkaReport.answer(error, RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED) else {
            return
        }
        #expect(failure.mayHaveArrived)
        guard case .failure(let other) = KafkaReport.answer(error, RD_KAFKA_MSG_STATUS_NOT_PERSISTED) else { return }
        #expect(!other.mayHaveArrived)
    }
}

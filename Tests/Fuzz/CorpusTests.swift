import Foundation
import TestSupport
import Testing

/// Every input that was once kept, and small damage to each, under the same checks that the fuzzer makes.
///
/// One after the other: targets share threads, folders and a server.
@Suite(.serialized) struct CorpusTests {
    @Test(arguments: FuzzTarget.all)
    func `no kept input breaks what its target checks`(target: FuzzTarget) async {
        let inputs = target.seeds() + KeptCorpus.inputs(of: target).map(\.bytes)
        #expect(!target.seeds().isEmpty)
        #expect(!KeptCorpus.inputs(of: target).isEmpty, "ops/fuzz minimize \(target.name)")
        await CorpusTests.run(target, inputs)
    }

    /// `HOLDFAST_FUZZ_ROUNDS` makes it longer: a fuzzer for machines without one.
    @Test(arguments: FuzzTarget.all)
    func `no small damage to a kept input breaks what its target checks`(target: FuzzTarget) async {
        var random = SeededGenerator(seed: TestSeed.first)
        let inputs = target.seeds() + KeptCorpus.inputs(of: target).map(\.bytes)
        let rounds = ProcessInfo.processInfo.environment["HOLDFAST_FUZZ_ROUNDS"].flatMap { Int($0) } ?? 300
        var damaged: [[UInt8]] = []
        for round in 0..<rounds {
            var bytes = inputs[round % inputs.count]
            for _ in 0...Int(random.next() % 4) { Damage.apply(to: &bytes, others: inputs, using: &random) }
            damaged.append(Array(bytes.prefix(target.maximumBytes)))
        }
        await CorpusTests.run(target, damaged, "seed \(random.seed)")
    }

    private static func run(_ target: FuzzTarget, _ inputs: [[UInt8]], _ comment: String = "") async {
        let failures = Failures()
        await OwnThread.run {
            for bytes in inputs {
                do { try bytes.withUnsafeBytes { try target.check($0) } } catch {
                    failures.add("\(error): \(Data(bytes).base64EncodedString())")
                }
            }
        }
        for failure in failures.all { Issue.record("\(target.name): \(failure) \(comment)") }
    }

    /// `@unchecked`: one thread adds, and another reads when the first is done.
    private final class Failures: @unchecked Sendable {
        private(set) var all: [String] = []
        func add(_ text: String) { all.append(text) }
    }
}

/// The files of `Tests/Fuzz/Corpus`.
enum KeptCorpus {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Corpus")

    static func inputs(of target: FuzzTarget) -> [(name: String, bytes: [UInt8])] {
        let mine = folder.appendingPathComponent(target.name)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: mine.path)) ?? []
        return names.sorted().compactMap { name in
            (try? Data(contentsOf: mine.appendingPathComponent(name))).map { (name, [UInt8]($0)) }
        }
    }
}

/// What happens to bytes.
enum Damage {
    static func apply(to bytes: inout [UInt8], others: [[UInt8]], using random: inout SeededGenerator) {
        if bytes.isEmpty { bytes = [0] }
        let at = Int(random.next() % UInt64(bytes.count))
        let run = min(bytes.count - at, Int(random.next() % 9) + 1)
        switch random.next() % 8 {
        case 0: bytes[at] ^= 1 << UInt8(random.next() % 8)
        case 1: bytes[at] = UInt8(truncatingIfNeeded: random.next())
        case 2: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: at)
        case 3: bytes.removeSubrange(at..<at + run)
        case 4: bytes.insert(contentsOf: bytes[at..<at + run], at: at)
        case 5: for index in at..<at + run { bytes[index] = [0, 0xff, 0x7f, 0x80][Int(random.next() % 4)] }
        case 6: bytes.removeSubrange(at...)
        default:
            let other = others[Int(random.next() % UInt64(others.count))]
            bytes.replaceSubrange(at..., with: other.suffix(Int(random.next() % UInt64(other.count + 1))))
        }
    }
}

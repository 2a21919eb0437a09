#if HOLDFAST_FUZZ
    import CFuzzer
    import Foundation
    import Testing

    /// The way in for `ops/fuzz`, which builds with libFuzzer and runs this test alone, in a process that libFuzzer ends.
    @Suite struct FuzzRun {
        /// `HOLDFAST_FUZZ_TARGET` names the target, `HOLDFAST_FUZZ_SEEDS` a folder that gets its seeds, and
        /// `HOLDFAST_FUZZ_ARGUMENTS`, one a line, is libFuzzer's command line.
        @Test func `libFuzzer finds nothing`() async throws {
            let environment = ProcessInfo.processInfo.environment
            let target = try #require(FuzzTarget.named(environment["HOLDFAST_FUZZ_TARGET"] ?? ""))
            let seeds = try #require(environment["HOLDFAST_FUZZ_SEEDS"])
            for (index, bytes) in target.seeds().enumerated() {
                try Data(bytes).write(to: URL(fileURLWithPath: seeds).appendingPathComponent("seed-\(index)"))
            }
            let arguments = (environment["HOLDFAST_FUZZ_ARGUMENTS"] ?? "").split(separator: "\n").map(String.init)
            await OwnThread.run { FuzzRun.drive(["fuzz", "-max_len=\(target.maximumBytes)"] + arguments) }
        }

        private static let target = FuzzTarget.named(
            ProcessInfo.processInfo.environment["HOLDFAST_FUZZ_TARGET"] ?? "")

        private static func drive(_ arguments: [String]) {
            var count = Int32(arguments.count)
            var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
            pointers.withUnsafeMutableBufferPointer { buffer in
                var base = buffer.baseAddress
                _ = LLVMFuzzerRunDriver(&count, &base) { bytes, size in
                    do {
                        try FuzzRun.target?.check(UnsafeRawBufferPointer(start: bytes, count: size))
                    } catch {
                        // The end of the process is how libFuzzer hears of a finding, and keeps the input.
                        fatalError("\(error)")
                    }
                    return 0
                }
            }
        }
    }
#endif

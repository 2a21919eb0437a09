import Metrics

/// What `bench counted` does, and how often.
struct CountedOptions {
    let step: CountedStep
    let times: Int
    /// Where the spools of `commit`, `drain` and `redrain` are made.
    let folder: String

    init(_ arguments: Arguments) throws(UsageError) {
        let all = CountedStep.allCases.map(\.rawValue).joined(separator: ", ")
        guard let name = arguments.value("--step"), let step = CountedStep(rawValue: name) else {
            throw UsageError("bench counted needs --step with one of: \(all)")
        }
        self.step = step
        times = try arguments.int("--times", default: 1, in: 0...1000)
        folder = arguments.value("--data-dir") ?? "."
    }
}

enum CountedRun {
    static func run(_ options: CountedOptions) async throws(BenchFailure) -> CountedResult {
        if options.step == .drain || options.step == .redrain {
            return try await CountedDrain.run(
                CountedWork.backlog(scrapes: CountedDrain.firstScrapes + CountedDrain.scrapes),
                isRepacked: options.step == .redrain, times: options.times, in: options.folder)
        }
        let work = try CountedWork()
        if options.step == .commit || options.step == .chain {
            return try await CountedCommits.run(
                work.appends, times: options.times, keepsChain: options.step == .chain, in: options.folder)
        }
        var sum = CountedResult()
        for _ in 0..<options.times {
            let result = try work.run(options.step)
            sum.requests += result.requests
            sum.samples += result.samples
            sum.bytes += result.bytes
        }
        return sum
    }

    static func json(_ options: CountedOptions) async throws(BenchFailure) -> JSONValue {
        let result = try await run(options)
        return .object([
            .init("step", .string(options.step.rawValue)), .init("requests", .int(Int64(result.requests))),
            .init("samples", .int(Int64(result.samples))), .init("bytes", .int(Int64(result.bytes))),
        ])
    }
}

/// Requests that are ready to be sent, scrape after scrape.
struct BenchLoad: Sendable {
    private(set) var bodies: [[UInt8]] = []
    /// How many are in each body.
    private(set) var samples: [Int] = []
    let requestsPerScrape: Int
    /// Of the first scrape, milliseconds since the epoch.
    let firstTime: Int64
    let total: Int

    /// - Parameters:
    ///   - firstTime: of the first scrape, milliseconds since the epoch.
    ///   - step: between two scrapes, milliseconds.
    init(scrapes: Int, series: Int, samplesPerRequest: Int, from firstTime: Int64, step: Int64) {
        var generator = LoadGenerator(series: series, samplesPerRequest: samplesPerRequest)
        for scrape in 0..<scrapes {
            let scraped = generator.scrape(time: firstTime + Int64(scrape) * step)
            bodies += scraped
            for index in scraped.indices { samples.append(min(samplesPerRequest, series - index * samplesPerRequest)) }
        }
        requestsPerScrape = bodies.count / scrapes
        self.firstTime = firstTime
        total = series * scrapes
    }
}

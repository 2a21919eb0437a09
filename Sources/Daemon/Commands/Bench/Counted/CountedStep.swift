/// A step of a sample's way, as `bench counted` repeats it: always on the same data, one after the other.
enum CountedStep: String, CaseIterable {
    /// Snappy and remote write, as an ingest request is decoded, with the memory that is kept from one to the next.
    case decode
    /// The requests of a scrape into one batch, as a commit merges them.
    case merge
    /// That batch into a block.
    case encode
    /// The block into a batch.
    case open
    /// The batch into remote-write bodies of 10,000 samples, snappy included.
    case send
    /// Decoded requests into a spool, fsynced, each before the next.
    case commit
    /// The same into one that keeps a chain.
    case chain
    /// A backlog of small rows out of a spool and into remote-write requests, up to the network.
    case drain
    /// The same after it was repacked.
    case redrain
}

/// How much was done, and what came of it; the same in each run.
struct CountedResult: Equatable {
    var requests = 0
    var samples = 0
    /// Of what was made: blocks, bodies; for `commit` what the data folder takes in the end, the first time included.
    var bytes = 0
}

import Metrics

/// Rows on their way to becoming one.
extension SpoolReader {
    /// Merges rows into one block. Each row is a job of its own on the reader's thread: leases have their turn between.
    ///
    /// - Returns: the block, and how many of the rows, from the first, it holds; nil when one cannot be read, which is
    ///   for whoever leases it to deal with, or nothing comes of it.
    func merge(_ rows: [StoredRow], _ rules: RepackRules) async -> (block: [UInt8], rows: Int)? {
        var merge = RepackMerge(memoryBytes: rules.memoryBytes)
        var count = 0
        for row in rows {
            let found: (block: DecodedBlock, standsOn: [BlockBase])?
            do throws(SpoolError) { found = try peek(row.sequence) } catch { return nil }
            guard let found, merge.add(row, found.block, standsOn: found.standsOn) else { break }
            count += 1
            await Task.yield()
        }
        guard count >= rules.smallestRun, let block = merge.encoded() else { return nil }
        return (block, count)
    }
}

extension WALStore {
    /// The end of a tenant's chain, behind everything that is committed by now; opens its spool if need be.
    ///
    /// - Returns: nil for a spool that keeps no chain.
    /// - Throws: `.unavailable` while the spool's disk does not answer; `.full` when none of the open places came free in
    ///   time, or there is no room for a link.
    public func sealChain(_ tenant: String) async throws(SpoolError) -> ChainSeal? {
        let sealed = await unlessStalled(tenant) { [self] () -> Result<ChainSeal?, SpoolError>? in
            do throws(SpoolError) {
                let spool = try await take(tenant, wait: openWait)
                defer { release(tenant) }
                return .success(try await spool.sealChain())
            } catch {
                return .failure(error)
            }
        }
        guard let sealed else { throw SpoolError(.unavailable, "the disk of the spool does not answer") }
        return try sealed.get()
    }
}

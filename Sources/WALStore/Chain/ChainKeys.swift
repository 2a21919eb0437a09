/// What the node's key comes to for one tenant: a key for each purpose, so that no code stands for another's.
struct ChainKeys: Sendable {
    let epoch: UInt32
    /// `ChainKey.number`.
    let number: UInt64
    /// Of the epoch: tags of rows, and heads of links.
    let tag: ChainMAC
    let link: ChainMAC
    /// Of the whole life of the node's key: what a row adds to the sum of its table, the state, and what hides the sums in
    /// it.
    let sum: ChainMAC
    let state: ChainMAC
    let mask: ChainMAC

    init(_ key: ChainKey, tenant: String) {
        func mac(_ secret: [UInt8], _ purpose: String) -> ChainMAC {
            let label = Array("holdfast chain\0\(purpose)\0\(tenant)".utf8)
            return ChainMAC(key: ChainMAC(key: secret).digest(label).array)
        }
        epoch = key.epoch
        number = key.number
        tag = mac(key.evolving, "tag")
        link = mac(key.evolving, "link")
        sum = mac(key.lasting, "sum")
        state = mac(key.lasting, "state")
        mask = mac(key.lasting, "mask")
    }
}

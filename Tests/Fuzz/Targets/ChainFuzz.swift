@testable import Daemon
@testable import WALStore

extension FuzzTarget {
    /// What a node remembers of its chains, as it is and with small changes to a true file: nothing is believed but a
    /// beginning of what the node wrote.
    static let chainRecords = FuzzTarget("chain_records", maximumBytes: 256, seeds: { ChainSeeds.records }) { bytes in
        var input = FuzzInput(bytes)
        if input.byte() & 1 == 0 {
            let raw = Array(input.rest)
            try ChainSeeds.check(raw, of: nil)
            return
        }
        var file = ChainSeeds.file
        while !input.isEmpty, !file.isEmpty {
            let (kind, at, byte) = (input.byte() % 4, Int(input.byte()) << 8 | Int(input.byte()), input.byte())
            switch kind {
            case 0: file[at % file.count] = byte
            case 1: file.insert(byte, at: at % (file.count + 1))
            case 2: file.remove(at: at % file.count)
            default: file.removeLast(min(file.count, at % 16))
            }
        }
        try ChainSeeds.check(file, of: ChainSeeds.file)
    }

    /// Anchors as somebody has noted them: what is taken is an anchor in every part, and is taken again in its plainest form.
    static let anchors = FuzzTarget("anchors", maximumBytes: 2048, seeds: { ChainSeeds.anchors }) { bytes in
        let found: [ChainAnchor]
        do throws(AnchorFile.Mistake) {
            found = try AnchorFile.anchors(in: String(decoding: bytes, as: UTF8.self))
        } catch {
            try require(!error.text.isEmpty, "a mistake has words")
            return
        }
        try require(!found.isEmpty, "nothing is no anchor")
        for anchor in found {
            try require(anchor.length > 0 && anchor.head.utf8.count == 64, "\(anchor) is whole")
            let plain = try AnchorFile.anchors(in: "\(anchor.length):\(anchor.head)")
            try require(plain.map(\.head) == [anchor.head] && plain[0].length == anchor.length, "\(anchor) read again")
        }
    }
}

private enum ChainSeeds {
    static let key: ChainKey = {
        let secret = String(repeating: "5a", count: 32)
        do { return try ChainKey(fileText: "holdfast-chain-key 1 0 \(secret) \(secret)\n") } catch {
            preconditionFailure("this is a key: \(error)")
        }
    }()

    static let file: [UInt8] = {
        var records = ChainRecords(key)
        for (index, tenant) in ["acme", "default", "x"].enumerated() {
            let wall = 1_790_000_000_000_000_000 + Int64(index)
            records.add(ChainRecord(tenant: tenant, wall: wall, foundLength: Int64(index)))
        }
        return records.bytes
    }()

    static let records: [[UInt8]] = [
        [0] + file, [0], [1], [1, 0, 0, 30, 7], [1, 2, 0, 60, 0], [1, 3, 0, 9, 0], [1, 1, 0, 40, 10],
    ]

    /// - Parameter whole: the file that it was made of; nil: nobody who has not the key has made it.
    static func check(_ bytes: [UInt8], of whole: [UInt8]?) throws {
        guard case .records(let records, let isTorn) = ChainRecords.read(bytes, key) else { return }
        let believed = records.bytes
        if !isTorn { try require(believed == bytes, "what is whole is read as it is written") }
        try require((whole ?? file).starts(with: believed), "only what the node wrote is believed")
    }

    static let anchors: [[UInt8]] = {
        let head = String(repeating: "0123456789abcdef", count: 4)
        let words = AnchorPoints.split(head).enumerated().map { index, word in
            #"{"metric":{"__name__":"\#(AnchorPoints.word)","tenant":"a","life":"1","word":"\#(index)"},"#
                + #""value":[1,"\#(word)"]}"#
        }
        let length =
            #"{"metric":{"__name__":"\#(AnchorPoints.length)","tenant":"a","life":"1"},"values":[[1,"7"],[2,"8"]]}"#
        return [
            "7:\(head)\n", "acme: anchor 7:\(head)", #"{"tenant":"a","chain":{"length":7,"head":"\#(head)"}}"#,
            #"{"tenants":[{"tenant":"a","chain":{"length":7,"head":"\#(head)"}},{"tenant":"b"}]}"#,
            "holdfast_chain_head_info{head=\"\(head)\",length=\"7\",tenant=\"a\\\"b\"} 1\n",
            #"{"status":"success","data":{"result":["# + (words + [length]).joined(separator: ",") + "]}}",
            #"{"status":"success","data":[{"__name__":"holdfast_chain_head_info","tenant":"a","length":"7","head":"\#(head)"}]}"#,
            "7:\(head.dropLast())", "",
        ].map { Array($0.utf8) }
    }()
}

import CSQLite

/// Tags of rows that are carried over from a spool that was set aside.
extension ChainKeeper {
    /// The tag of a row that is put back, perhaps with some of its values put right: the one it had, or a new one where
    /// that was true of what it was. One that was not true stays, so that the row still shows.
    ///
    /// - Parameter tag: as it was found; nil or empty: there was none.
    func carried(_ table: ChainTable, _ tag: [UInt8], former: [SQLValue], now: [SQLValue]) -> SQLValue {
        guard let found = tag.withUnsafeBytes({ ChainTag($0) }) else { return .null }
        // Of another epoch nobody here can say whether it is true: as it was, or none.
        let was = self.tag(table, former, life: found.life, epoch: found.epoch)
        let becomes = self.tag(table, now, life: found.life, epoch: found.epoch)
        if was == becomes { return .blob(tag) }
        guard found.epoch == keys.epoch, let state else { return .null }
        guard was == found else { return .blob(tag) }
        return self.tag(table, now, life: state.life, epoch: keys.epoch).withBytes { .blob(Array($0)) }
    }

    private func tag(_ table: ChainTable, _ row: [SQLValue], life: UInt32, epoch: UInt32) -> ChainTag {
        var input = keys.beginTag(table, life: life, epoch: epoch)
        for value in row { input.add(value) }
        return ChainTag(life: life, epoch: epoch, input.end())
    }
}

extension ChainMACInput {
    /// As of the `sqlite3_value` that it is stored as.
    fileprivate mutating func add(_ value: SQLValue) {
        func type(_ number: Int32) -> UInt8 { UInt8(truncatingIfNeeded: number) }
        switch value {
        case .integer(let number):
            add(type(SQLITE_INTEGER))
            add(number)
        case .real(let number):
            add(type(SQLITE_FLOAT))
            add(number.bitPattern)
        case .text(var text):
            add(type(SQLITE_TEXT))
            add(Int64(text.utf8.count))
            text.withUTF8 { add(UnsafeRawBufferPointer($0)) }
        case .blob(let bytes):
            add(type(SQLITE_BLOB))
            add(Int64(bytes.count))
            bytes.withUnsafeBytes { add($0) }
        case .null: add(type(SQLITE_NULL))
        }
    }
}

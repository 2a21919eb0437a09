import WALStore

/// What is asked.
enum SqlSpool: Sendable {
    case tenant(String, _ directory: String)
    case file(String)

    var tenant: String? { if case .tenant(let name, _) = self { name } else { nil } }

    func open() throws(AuditError) -> AuditFile {
        switch self {
        case .tenant(let name, let directory): try AuditFile.of(tenant: name, in: directory)
        case .file(let path): try AuditFile.copied(path)
        }
    }
}

/// One question, put to one spool after the other.
struct SqlQuestion: Sendable {
    var sql: String
    var form: SqlForm
    var limits: AuditLimits
    var skipsDamage: Bool
    /// A first column says whose answer a row is of.
    var namesTenant: Bool
    /// Asked again and again while it runs.
    var isStopped: @Sendable () -> Bool = { false }

    func ask(_ spools: [SqlSpool]) async throws(CommandFailure) {
        for spool in spools {
            let outcome = await SqlThread.run { self.answer(spool) }
            switch outcome {
            case .success(let said): if !said.isEmpty { Terminal.printError(said) }
            case .failure(let error):
                throw CommandFailure(error, in: sql, tenant: namesTenant ? spool.tenant : nil)
            }
        }
    }

    /// - Returns: what is to be said beside the answer.
    private func answer(_ spool: SqlSpool) -> Result<String, AuditError> {
        Result { () throws(AuditError) in
            var printer = SqlPrinter(form, tenant: namesTenant ? spool.tenant : nil)
            let damage = try ask(spool, &printer)
            try printer.finish()
            let said = form == .table ? "\(Amount.count(printer.rows)) row\(printer.rows == 1 ? "" : "s")\n" : ""
            return said + damage.remark
        }
    }

    /// Nothing of the spool is held when this returns.
    private func ask(_ spool: SqlSpool, _ printer: inout SqlPrinter) throws(AuditError) -> AuditDamage {
        let database = try AuditDatabase(try spool.open(), skipsDamage: skipsDamage)
        try database.ask(sql, limits, into: &printer, isStopped: isStopped)
        return database.damage
    }

    /// The line of the SQL with the mistake, and a mark below it.
    static func place(_ offset: Int?, in sql: String) -> String {
        let bytes = Array(sql.utf8)
        guard let offset, offset <= bytes.count else { return "" }
        let start = bytes[..<offset].lastIndex(of: 10).map { $0 + 1 } ?? 0
        let end = bytes[offset...].firstIndex(of: 10) ?? bytes.count
        let before = Terminal.harmless(String(decoding: bytes[start..<offset], as: UTF8.self))
        let line = before + Terminal.harmless(String(decoding: bytes[offset..<end], as: UTF8.self))
        return "\n  \(line)\n  \(String(repeating: " ", count: before.count))^"
    }
}

extension CommandFailure {
    /// - Parameters:
    ///   - sql: what was asked.
    ///   - tenant: where several are asked.
    init(_ error: AuditError, in sql: String = "", tenant: String?) {
        // Nobody reads any more: that is no failure to tell of.
        if error.code == .stopped, error.message.isEmpty {
            self.init("")
            return
        }
        var text = Terminal.harmless(error.message)
        switch error.code {
        case .mistake: text += SqlQuestion.place(error.offset, in: sql)
        case .tooLong: text += " (--timeout)"
        case .tooLarge where !sql.isEmpty: text += " (--memory)"
        case .damaged: text += "; --skip-damaged goes on without such rows"
        default: break
        }
        if let tenant { text = "tenant \(tenant): \(text)" }
        self.init(text)
    }
}

extension AuditDamage {
    /// A line about what is not in an answer; nothing when all is.
    var remark: String {
        guard rows > 0 else { return "" }
        return
            "holdfast: \(Amount.count(Int64(rows))) stored rows with \(Amount.count(points)) points cannot be read and are "
            + "not in the answer\n"
    }
}

/// Everything a connection gets to be asked in SQL.
enum AuditTables {
    static func register(_ source: AuditSource) throws(SQLiteError) {
        try AuditFunctions.register(on: source.connection)
        for table in [AuditTable.points, .series] { try AuditModule.register(table, source) }
        try AuditViews.create(on: source.connection)
    }
}

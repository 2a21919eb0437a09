/// What supervisors and scrapers ask any service.
enum ServiceRoutes {
    /// - Parameters:
    ///   - notReady: why requests should go elsewhere for now; nil when they may come.
    ///   - metrics: text exposition 0.0.4; nil where it is not served.
    static func make(
        notReady: @escaping @Sendable () -> String?, metrics: (@Sendable () -> [UInt8])?
    ) -> [Route] {
        var routes = [
            Route(["GET"], "/-/healthy") { _, responder in responder.reply(.text(200, "healthy\n")) },
            Route(["GET"], "/-/ready") { _, responder in
                if let reason = notReady() {
                    responder.reply(.problem(503, reason, retryAfterSeconds: 5))
                } else {
                    responder.reply(.text(200, "ready\n"))
                }
            },
        ]
        if let metrics {
            let type = "text/plain; version=0.0.4; charset=utf-8"
            routes.append(
                Route(["GET"], "/metrics") { _, responder in
                    responder.reply(Reply(status: 200, body: .bytes(metrics(), contentType: type)))
                })
        }
        return routes
    }
}

import WALStore

/// The first screen: where to send, where things are, what to type next.
enum Welcome {
    static func text(_ node: Node) -> String {
        let configuration = node.configuration
        let url = "http://\(node.listenText)/api/v1/write"
        let isBuiltIn = configuration.file == nil
        let flags =
            isBuiltIn
            ? (configuration.dataDirectory == Configuration.defaultDataDirectory
                ? "" : " --data-dir \(configuration.dataDirectory)")
            : " --config \(configuration.file ?? "")"
        var text = """

            Holdfast \(HoldfastVersion.text) is running.

              Send    Prometheus, in prometheus.yml:
                        remote_write:
                          - url: \(url)
                      or try: curl -d 'weather,place=here temperature=21.5' 'http://\(node.listenText)/write?db=default'

            """
        text += "  Data    \(configuration.dataDirectory)\n"
        for backend in configuration.backends {
            let place = backend.registration.type == "archive" ? "  see \(configuration.dataDirectory)/archive" : ""
            text += "  To      \(backend.name) (\(backend.registration.type))\(isBuiltIn ? place : "")\n"
        }
        if !configuration.scrapeJobs.isEmpty {
            let targets = configuration.scrapeJobs.flatMap { $0.targets + $0.fileDiscovery }.joined(separator: ", ")
            text += "  Scrapes \(targets)\n"
        }
        // As it was called: nobody's PATH has a binary that was just built.
        let command = CommandLine.arguments.first ?? "holdfast"
        return text + "  Status  \(command) status\(flags)\n  Stop    Ctrl-C: nothing acknowledged is lost\n\n"
    }
}

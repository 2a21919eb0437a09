import Forwarder

extension ExpositionPage.Form {
    /// The form that is wanted most, the text format where it does not matter, and where nothing is wanted that there is:
    /// every scraper reads that.
    static func wanted(by accept: AcceptHeader) -> ExpositionPage.Form {
        accept.weight(of: .openMetrics) > accept.weight(of: .text) ? .openMetrics : .text
    }

    fileprivate var mediaType: (name: Substring, range: Substring, versions: [Substring]) {
        switch self {
        case .text: ("text/plain", "text/*", ["0.0.4"])
        case .openMetrics: ("application/openmetrics-text", "application/*", ["1.0.0", "0.0.1"])
        }
    }
}

extension AcceptHeader {
    /// Of what names the form the highest counts, then of its range, then of `*/*`.
    fileprivate func weight(of form: ExpositionPage.Form) -> Int {
        let type = form.mediaType
        let named = entries.filter { entry in
            entry.name == type.name
                && (entry.parameters.first { $0.name == "version" }.map { type.versions.contains($0.value) } ?? true)
        }
        if let best = named.map(\.weight).max() { return best }
        let range = entries.first { $0.name == type.range } ?? entries.first { $0.name == "*/*" }
        return range?.weight ?? 0
    }
}

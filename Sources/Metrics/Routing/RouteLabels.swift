/// The labels of one series while rules change them: names and values as bytes, no two of one name, none empty.
///
/// Few, so that they are looked through from the first on.
struct RouteLabels: Sendable, Equatable {
    private(set) var pairs: [(name: [UInt8], value: [UInt8])] = []

    static func == (left: RouteLabels, right: RouteLabels) -> Bool {
        left.pairs.elementsEqual(right.pairs) { $0.name == $1.name && $0.value == $1.value }
    }

    /// The value of a label; empty for one that is not there, as Prometheus has it.
    subscript(name: [UInt8]) -> [UInt8] {
        get { pairs.first { $0.name == name }?.value ?? [] }
        set {
            let index = pairs.firstIndex { $0.name == name }
            if newValue.isEmpty {
                if let index { pairs.remove(at: index) }
            } else if let index {
                pairs[index].value = newValue
            } else {
                pairs.append((name, newValue))
            }
        }
    }

    /// - Parameter resource: its attribute counts where there is no label of that name.
    func value(of name: String, or resource: Resource?) -> [UInt8] {
        let own = self[Array(name.utf8)]
        guard own.isEmpty, let resource else { return own }
        return Array((resource.attributes.first { $0.key == name }?.value.text ?? "").utf8)
    }

    mutating func removeAll(where isGone: ([UInt8]) -> Bool) { pairs.removeAll { isGone($0.name) } }
}

/// Something that is wrong with the node.
public struct Alert: Sendable, Equatable {
    /// What it is known by, here and at an Alertmanager: two alerts with one identity are one.
    public struct ID: Sendable, Hashable, Comparable {
        /// The label `alertname`.
        public var name: String
        /// Empty where it is about the node.
        public var tenant: String
        /// Empty where it is about no backend.
        public var backend: String

        public init(_ name: String, tenant: String = "", backend: String = "") {
            self.name = name
            self.tenant = tenant
            self.backend = backend
        }

        public static func < (left: ID, right: ID) -> Bool {
            (left.name, left.tenant, left.backend) < (right.name, right.tenant, right.backend)
        }
    }

    public enum Severity: String, Sendable {
        /// Look at it today.
        case warning
        /// Points are lost or refused, or will be.
        case critical
    }

    public var id: ID
    /// One for each name: it is a label, and so a part of what an Alertmanager knows the alert by.
    public var severity: Severity
    /// What is wrong, for people.
    public var summary: String

    public init(_ id: ID, _ severity: Severity, _ summary: String) {
        self.id = id
        self.severity = severity
        self.summary = summary
    }

    /// Labels of its own, which no config may set.
    static let ownLabels = ["alertname", "severity", "tenant", "backend"]
}

/// What is wrong with the node at one moment.
public struct AlertSnapshot: Sendable, Equatable {
    public struct Firing: Sendable, Equatable {
        public var alert: Alert
        /// Wall clock, nanoseconds since the epoch.
        public var startedAt: Int64

        public init(_ alert: Alert, startedAt: Int64) {
            self.alert = alert
            self.startedAt = startedAt
        }
    }

    /// Each identity once.
    public var firing: [Firing]
    /// Wall clock, nanoseconds since the epoch.
    public var madeAt: Int64

    public init(_ firing: [Firing], madeAt: Int64) {
        self.firing = firing
        self.madeAt = madeAt
    }
}

// swift-tools-version: 6.2
// Rooms and arrows: Daemon -> Forwarder -> WALStore -> Metrics -> C. Nothing points back. Beside the daemon there is the
// spool's SQL as an extension of SQLite: SQLiteExtension -> WALStore.
import PackageDescription

let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]
/// With `HOLDFAST_FUZZ` set, ops/fuzz builds: the modules then tell libFuzzer which code an input reached.
let isFuzzed = Context.environment["HOLDFAST_FUZZ"] != nil
let fuzzed: [SwiftSetting] = strict + (isFuzzed ? [.define("HOLDFAST_FUZZ")] : [])
let product: [SwiftSetting] =
    fuzzed
    + (isFuzzed
        ? [.unsafeFlags(["-sanitize-coverage=edge,indirect-calls,trace-cmp,inline-8bit-counters,pc-table"])] : [])
/// The tests' own code runs under a sanitizer as it is: to optimise it takes longer than to run it.
let tests: [SwiftSetting] =
    strict + (Context.environment["HOLDFAST_TEST_TARGETS"] != nil ? [.unsafeFlags(["-Onone"])] : [])

let package = Package(
    name: "holdfast",
    products: [
        .executable(name: "holdfast", targets: ["Daemon"]),
        .library(name: "holdfast-sql", type: .dynamic, targets: ["SQLiteExtension"]),
    ],
    targets: [
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3"),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl"),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib"),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd"),
        .systemLibrary(name: "CSnappy"),
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto"),
        .systemLibrary(name: "CHTTPServer", pkgConfig: "libmicrohttpd"),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1"),
        .systemLibrary(name: "CXXHash"),
        .systemLibrary(name: "CProcess"),
        .systemLibrary(name: "CNATS", pkgConfig: "libnats"),
        .systemLibrary(name: "CMosquitto", pkgConfig: "libmosquitto"),
        .systemLibrary(name: "CKafka", pkgConfig: "rdkafka"),

        .target(
            name: "Metrics",
            dependencies: ["CSnappy", "CXXHash", "CZlib", "CZstd"],
            swiftSettings: product
        ),
        .target(
            name: "WALStore",
            dependencies: ["Metrics", "CSQLite", "CCrypto", "CZstd", "CXXHash"],
            resources: [.embedInCode("Schema")],
            swiftSettings: product
        ),
        .target(
            name: "Forwarder",
            dependencies: [
                "WALStore", "Metrics", "CCurl", "CZlib", "CCrypto", "CProcess", "CNATS", "CMosquitto", "CKafka",
            ],
            swiftSettings: product
        ),
        .executableTarget(
            name: "Daemon",
            dependencies: ["Forwarder", "WALStore", "Metrics", "CHTTPServer", "CYAML", "CZlib", "CZstd"],
            resources: [.embedInCode("Commands/Grafana/Templates")],
            swiftSettings: product
        ),
        .target(name: "SQLiteExtension", dependencies: ["WALStore"]),

        .target(
            name: "TestSupport",
            dependencies: ["WALStore", "Metrics", "CKafka", "CSQLite"],
            path: "Tests/TestSupport",
            exclude: ["Released", "Brokers/Scripts"],
            swiftSettings: strict
        ),
        .testTarget(name: "MetricsTests", dependencies: ["Metrics", "TestSupport"], swiftSettings: tests),
        .testTarget(
            name: "WALStoreTests", dependencies: ["WALStore", "TestSupport", "CXXHash", "CSQLite"], swiftSettings: tests
        ),
        .testTarget(
            name: "ForwarderTests", dependencies: ["Forwarder", "TestSupport"],
            exclude: ["Backends/datadog_models.py", "Backends/exposition_page.py", "Backends/otlp_json.py"],
            swiftSettings: tests),
        .testTarget(name: "DaemonTests", dependencies: ["Daemon", "TestSupport"], swiftSettings: tests),
        .testTarget(
            name: "FaultTests",
            dependencies: ["Daemon", "Forwarder", "WALStore", "Metrics", "TestSupport", "CSQLite"],
            path: "Tests/Faults",
            // Thousands of seeds: half the time for a minute more of building.
            swiftSettings: tests + [.unsafeFlags(["-O"], .when(configuration: .debug))]
        ),
        // libFuzzer's entry point; linked only by ops/fuzz.
        .systemLibrary(name: "CFuzzer", path: "Tests/CFuzzer"),
        .testTarget(
            name: "FuzzTests",
            dependencies: [
                "Daemon", "Forwarder", "WALStore", "Metrics", "TestSupport", "CSQLite", "CXXHash", "CFuzzer",
            ],
            path: "Tests/Fuzz",
            exclude: ["Corpus"],
            swiftSettings: fuzzed
        ),
        .testTarget(
            name: "IntegrationTests",
            dependencies: ["Metrics", "TestSupport"],
            path: "Tests/Integration",
            exclude: [
                "Support/otlp_receiver.py", "Support/aws_signature.py", "Support/grafana_models.py",
                "Support/tls_front.py",
            ],
            swiftSettings: tests
        ),
    ],
    swiftLanguageModes: [.v6]
)

// Builds with sanitizers are slow: ops/sanitize and ops/fuzz name the test targets they are going to run.
if let wanted = Context.environment["HOLDFAST_TEST_TARGETS"]?.split(separator: ",").map({ String($0) }) {
    package.products.removeAll { $0.name == "holdfast-sql" }
    package.targets.removeAll { $0.name == "SQLiteExtension" }
    package.targets.removeAll { $0.type == .test && !wanted.contains($0.name) }
    // Nor is the daemon built where none of them stands on it: it is a quarter of the code.
    let needsDaemon = package.targets.contains { target in
        guard target.type == .test else { return false }
        return target.dependencies.contains { if case .byNameItem("Daemon", _) = $0 { true } else { false } }
    }
    if !needsDaemon {
        package.products.removeAll { $0.name == "holdfast" }
        package.targets.removeAll { $0.name == "Daemon" }
    }
}

// swift-tools-version: 6.2
// Rooms and arrows: Daemon -> Forwarder -> WALStore -> Metrics -> C. Nothing points back.
import PackageDescription

let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "holdfast",
    products: [
        .executable(name: "holdfast", targets: ["Daemon"])
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

        .target(
            name: "Metrics",
            dependencies: ["CSnappy", "CXXHash", "CZlib", "CZstd"],
            swiftSettings: strict
        ),
        .target(
            name: "WALStore",
            dependencies: ["Metrics", "CSQLite", "CZstd", "CXXHash"],
            resources: [.embedInCode("Schema")],
            swiftSettings: strict
        ),
        .target(
            name: "Forwarder",
            dependencies: ["WALStore", "Metrics", "CCurl", "CZlib", "CCrypto"],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "Daemon",
            dependencies: ["Forwarder", "WALStore", "Metrics", "CHTTPServer", "CYAML", "CZlib", "CZstd"],
            swiftSettings: strict
        ),

        .target(
            name: "TestSupport",
            dependencies: ["WALStore", "Metrics", "CSQLite"],
            path: "Tests/TestSupport",
            swiftSettings: strict
        ),
        .testTarget(name: "MetricsTests", dependencies: ["Metrics", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "WALStoreTests", dependencies: ["WALStore", "TestSupport", "CXXHash"], swiftSettings: strict),
        .testTarget(name: "ForwarderTests", dependencies: ["Forwarder", "TestSupport"], swiftSettings: strict),
        .testTarget(name: "DaemonTests", dependencies: ["Daemon", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "FaultTests",
            dependencies: ["Daemon", "Forwarder", "WALStore", "Metrics", "TestSupport", "CSQLite"],
            path: "Tests/Faults",
            swiftSettings: strict
        ),
        .testTarget(
            name: "IntegrationTests",
            dependencies: ["Metrics", "TestSupport"],
            path: "Tests/Integration",
            swiftSettings: strict
        ),
    ],
    swiftLanguageModes: [.v6]
)

/// The version, in this one place.
enum HoldfastVersion {
    static let text = "0.1.0"
}

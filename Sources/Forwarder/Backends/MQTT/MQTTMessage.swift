/// One message for a topic.
struct MQTTMessage: Sendable {
    /// `EncodedRequest.messageID`.
    var id: String
    var topic: String
    var quality: Int32
    /// MQTT 5.0 only.
    var contentType: String
    /// MQTT 5.0 only.
    var userProperties: [(name: String, value: String)]
    /// Shared, never copied before it is sent.
    var body: [UInt8]

    /// Bytes of the PUBLISH that are no payload, at most: fixed header, topic, packet id, lengths, properties.
    var overhead: Int {
        userProperties.reduce(1 + 4 + 2 + topic.utf8.count + 2 + 4 + 3 + contentType.utf8.count) {
            $0 + 5 + $1.name.utf8.count + $1.value.utf8.count
        }
    }
}

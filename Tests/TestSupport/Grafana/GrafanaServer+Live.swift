import Metrics

/// <https://grafana.com/docs/grafana/latest/setup-grafana/set-up-grafana-live/>
extension GrafanaServer {
    /// Lines of InfluxDB become frames, each in the channel of its measurement; the first fault is a 500 for all.
    static func push(
        _ request: HTTPTestServer.Request, _ parts: [String], _ state: inout State
    ) throws(Refusal) {
        guard request.method == "POST", let stream = parts.first, parts.count == 1 else {
            throw Refusal(404, "Not found")
        }
        guard request.headers["content-encoding"] == nil else { throw Refusal(500, "it reads no coding") }
        guard ["labels_column", "wide"].contains(request.query["gf_live_frame_format"] ?? "labels_column") else {
            throw Refusal(400, "frame format")
        }
        var decoder = LineProtocolDecoder()
        var decoded = DecodedRequest()
        let failure = request.body.withUnsafeBytes { bytes -> WireError? in
            do throws(WireError) {
                try decoder.decode(bytes, LineContext(arrivalTime: 0), into: &decoded)
                return nil
            } catch { return error }
        }
        guard failure == nil, decoded.refusals.isEmpty else { throw Refusal(500, "error converting metrics to frames") }
        var frames: [(channel: String, frame: Frame)] = []
        let batch = decoded.batch
        for ordinal in batch.points.times.indices {
            let name = batch.series.withLabels(of: batch.points.series[ordinal]) { labels in
                LabelIterator(labels).first { $0.name.elementsEqual("__name__".utf8) }.map {
                    String(decoding: $0.value, as: UTF8.self)
                }
            }
            let channel = "stream/\(stream)/\(name ?? "")"
            guard isChannel(stream, name ?? "", channel) else { throw Refusal(500, "invalid channel ID: \(channel)") }
            let value = Double(bitPattern: batch.points.bits[ordinal])
            frames.append((channel, Frame(time: batch.points.times[ordinal], value: value)))
        }
        for (channel, frame) in frames { state.frames[channel, default: []].append(frame) }
    }

    private static func isChannel(_ stream: String, _ name: String, _ channel: String) -> Bool {
        func isPlain(_ character: Character) -> Bool {
            character.isASCII && (character.isLetter || character.isNumber || character == "-" || character == "_")
        }
        return channel.utf8.count <= 160 && !stream.isEmpty && !name.isEmpty && stream.allSatisfy(isPlain)
            && name.allSatisfy { isPlain($0) || "./=".contains($0) }
    }
}

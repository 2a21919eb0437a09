/// Whether each link follows the one before it, and the last one is that of the state.
extension ChainVerifier {
    func verifyLinks() throws(SQLiteError) {
        let anchors = expected.anchors.filter { $0.tenant == nil || $0.tenant == answer.tenant }
        answer.anchors = anchors.count
        var wanted = Dictionary(grouping: anchors, by: \.length)
        var (last, folded): (ChainLink?, Int64) = (nil, 0)
        let statement = try Statement("SELECT \(ChainLink.columns) FROM links ORDER BY id", on: connection)
        defer { statement.reset() }
        while try statement.step() {
            let link = ChainLink(statement)
            verify(link, after: last)
            if link.kind == ChainLink.Kind.folded.rawValue { folded = link.id }
            for anchor in wanted.removeValue(forKey: link.id) ?? [] {
                if anchor.head == link.head.text {
                    answer.confirmedAnchors += 1
                } else {
                    add(
                        .anchor, "links", link.id,
                        "the head was \(anchor.head.prefix(16))… when it was noted: the spool was rolled back or written anew"
                    )
                }
            }
            if let span = link.work.pruned { pruned.append(span) }
            last = link
            try look(done: 0)
        }
        for anchor in wanted.values.joined().sorted(by: { $0.length < $1.length }) {
            let text =
                anchor.length < folded
                ? "it lies in links that are folded: whether it was one of them is not known"
                : "no such link is there: the links were cut, or the whole spool was rolled back"
            add(.anchor, "links", anchor.length, text)
        }
        guard let state else { return }
        if last?.id != state.length || last?.head != state.head {
            let length = last?.id ?? 0
            add(
                .links, "links", nil,
                length < state.length
                    ? "links \(length + 1) to \(state.length) were cut off"
                    : "the last link is not the one of the last commit")
        }
    }

    private func verify(_ link: ChainLink, after last: ChainLink?) {
        let accepted = expected.acceptedGaps
        let kind = ChainLink.Kind(rawValue: link.kind)
        if let last {
            if link.id != last.id + 1 {
                add(.links, "links", link.id, "links \(last.id + 1) to \(link.id - 1) were removed")
            } else if link.former != last.head {
                add(.links, "links", link.id, "it does not follow the link before it: one of both was altered")
            } else if link.epoch < last.epoch {
                // What the key at hand cannot check is no link's word for it.
                add(.links, "links", link.id, "it names an epoch of the key before that of the link before it")
            }
        } else if link.id != 1, kind != .folded {
            add(.links, "links", link.id, "the links before it were removed")
        }
        check(link, kind)
        switch kind {
        case .resumed where link.id > accepted: add(.gap, "links", link.id, link.detail)
        case .altered:
            add(
                .altered, "links", link.id,
                "rows that the node then changed or deleted, up to \(UTC.text(link.wall)): \(link.detail)")
        // Whoever wants former links gone has only to damage a page.
        case .salvaged where link.id > accepted:
            add(
                .gap, "links", link.id,
                "the spool took the place of one that was set aside at \(UTC.text(link.wall)), and its chain began again: what "
                    + "could be read was carried over with its tags, what not is in `losses`, and what was removed is not known"
            )
        case .restored:
            answer.notes.append("link \(link.id): restored from a backup at \(UTC.text(link.wall))")
        case .folded:
            answer.notes.append("links up to \(link.id) are folded into one: \(link.detail)")
            addFolded(link)
        default: break
        }
    }

    /// What was a finding of links is one of that which they are folded into.
    private func addFolded(_ link: ChainLink) {
        let kinds = link.kindsWithin
        func has(_ kind: ChainLink.Kind) -> Bool { kinds[kind.rawValue] != nil }
        let span = "among the links up to \(link.id), which are folded"
        if has(.altered) { add(.altered, "links", link.id, "rows that the node then changed or deleted: \(span)") }
        guard link.id > expected.acceptedGaps, has(.resumed) || has(.salvaged) else { return }
        add(.gap, "links", link.id, "the chain began again, once at least: \(span)")
    }

    private func check(_ link: ChainLink, _ kind: ChainLink.Kind?) {
        let isTrue: Bool
        if kind == .folded {
            isTrue = link.rows == link.foldedCode(keys)
        } else if let keys = keys(of: link.epoch) {
            isTrue = link.head == link.head(keys.link)
        } else if link.epoch < key.epoch {
            answer.uncheckedLinks += 1
            return
        } else {
            // No node has come to that epoch.
            isTrue = false
        }
        if !isTrue || !link.isWellFormed { add(.links, "links", link.id, "it is not as it was written") }
    }
}

@testable import WALStore

extension TenantModel {
    /// A re-drive is there: its points are those of letters that are letters no more, one each.
    mutating func number(
        _ index: Int, _ receipts: [StoredTruth.Receipt], _ truth: StoredTruth
    ) throws(Violation) {
        guard let redrive = requests[index].redrive else { return }
        let id = requests[index].id
        let rows = Dictionary(uniqueKeysWithValues: truth.rows.map { ($0.sequence, $0) })
        let accepted = pieces
        var values: [Int] = []
        var letters: [Int] = []
        for receipt in receipts {
            guard let row = rows[receipt.sequence], row.values.count >= Int(receipt.first + receipt.points) else {
                throw Violation("\(id) has a receipt at \(receipt.sequence), and no points there")
            }
            values += row.values[Int(receipt.first)..<Int(receipt.first + receipt.points)]
        }
        let sequences = Set(receipts.map(\.sequence))
        let source = truth.backends.first { $0.name == redrive.from }?.id
        for ending in truth.endings {
            guard let sequence = ending.redrivenAs, sequences.contains(sequence) else { continue }
            guard ending.backend == source, ending.standing == .excluded else {
                throw Violation("\(id) took letters of backend \(ending.backend), not of \(redrive.from)")
            }
            letters += accepted.compactMap { $0.values(in: ending.places) }.joined()
        }
        guard letters.map({ contents[$0] }).sorted() == values.sorted(),
            redrive.points ?? Int64(values.count) == values.count
        else {
            throw Violation("\(id) has the points \(values.prefix(5)), the letters were \(letters.prefix(5))")
        }
        for letter in letters {
            guard let backend = backends[redrive.from], backend.mayBeDead(letter) else {
                throw Violation("point \(letter) was no letter of \(redrive.from), and was sent again")
            }
            guard backends[redrive.from]?.redriven.insert(letter).inserted == true else {
                throw Violation("letter \(letter) of \(redrive.from) was sent again twice")
            }
        }
        requests[index].values = newNumbers(values)
    }
}

extension TenantModel.Backend {
    fileprivate func mayBeDead(_ value: Int) -> Bool {
        let dead = Standing.dead.rawValue
        return settled[value] == dead || settled[value] == 0 && asked[value] & dead != 0
    }
}

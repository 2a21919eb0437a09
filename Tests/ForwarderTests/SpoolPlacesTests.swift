import TestSupport
import Testing

@testable import Forwarder

@Suite(.timeLimit(.minutes(10)))
struct SpoolPlacesTests {
    private let clock = JumpingClock()

    private func places(_ limit: Int) -> SpoolPlaces {
        SpoolPlaces(limit: limit, turn: .seconds(1), now: { [clock] in clock.now })
    }

    /// Returns once the tenant stands in line.
    private func wait(_ places: SpoolPlaces, for tenant: String) async -> Task<SpoolPlaces.Stay, Never> {
        let before = places.waiting
        let task = Task { await places.enter(tenant) }
        while places.waiting == before { await Task.yield() }
        return task
    }

    @Test func `while nobody waits a tenant keeps its place`() async throws {
        let places = places(1)
        let first = try #require(places.enterAtOnce("acme"))
        clock.advance(.seconds(60))
        #expect(!places.isWanted(of: "acme"))
        let second = try #require(places.enterAtOnce("acme"))
        places.leave(first)
        places.leave(second)
        #expect(places.enterAtOnce("other") != nil)
    }

    @Test func `a turn that is over begins nothing new, and the place goes to who has waited longest`() async throws {
        let places = places(1)
        let first = try #require(places.enterAtOnce("acme"))
        let other = await wait(places, for: "other")
        let third = await wait(places, for: "third")
        let more = try #require(places.enterAtOnce("acme"), "the turn is not over")
        #expect(!places.isWanted(of: "acme"))
        clock.advance(.seconds(1))
        #expect(places.isWanted(of: "acme"))
        places.leave(first)
        places.leave(more)
        let taken = await other.value
        #expect(places.enterAtOnce("acme") == nil)
        places.leave(taken)
        places.leave(await third.value)
        #expect(places.waiting == 0 && places.enterAtOnce("acme") != nil)
    }

    @Test func `what is slow holds up nothing else of its tenant, and its tenant no other for longer than it takes`()
        async throws
    {
        let places = places(1)
        let slow = try #require(places.enterAtOnce("acme"))
        let other = await wait(places, for: "other")
        clock.advance(.seconds(60))
        for _ in 0..<10 { places.leave(try #require(places.enterAtOnce("acme"))) }
        let last = try #require(places.enterAtOnce("acme"))
        places.leave(slow)
        // What began beside it may end; nothing follows.
        #expect(places.enterAtOnce("acme") == nil)
        places.leave(last)
        places.leave(await other.value)
    }

    @Test func `whoever has a place still when he comes to the front has a turn in it`() async throws {
        let places = places(2)
        let (early, one) = (try #require(places.enterAtOnce("acme")), try #require(places.enterAtOnce("one")))
        let other = await wait(places, for: "other")
        clock.advance(.seconds(2))
        let late = try #require(places.enterAtOnce("acme"))
        places.leave(early)
        let again = await wait(places, for: "acme")
        places.leave(one)
        let (taken, stay) = (await other.value, await again.value)
        #expect(places.enterAtOnce("acme") != nil)
        for stay in [late, stay, taken] { places.leave(stay) }
    }

    @Test func `however they come and go, no more tenants than the limit are on their way, and each has its turn`()
        async
    {
        let (limit, tenants) = (3, 11)
        let places = places(limit)
        let changes = Recorder<(tenant: String, by: Int)>()
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<tenants * 3 {
                group.addTask { [clock] in
                    let tenant = "tenant \(worker % tenants)"
                    for _ in 0..<200 {
                        let stay = await places.enter(tenant)
                        changes.record((tenant, 1))
                        clock.advance(.milliseconds(100))
                        await Task.yield()
                        changes.record((tenant, -1))
                        places.leave(stay)
                    }
                }
            }
        }
        var inside: [String: Int] = [:]
        var most = 0
        for change in changes.elements {
            inside[change.tenant, default: 0] += change.by
            if inside[change.tenant] == 0 { inside[change.tenant] = nil }
            most = max(most, inside.count)
        }
        #expect(most == limit && places.waiting == 0)
    }
}

use super::*;

fn plan(ms: u64, by: Imitation) -> Plan {
    let round_trip = Duration::from_millis(ms);
    Plan { round_trip, jitter: Duration::ZERO, loss: 0.0, bandwidth: None, by }
}

fn assert_near(measured: Duration, claimed: Duration, what: &str) {
    let within = Duration::from_millis(1).max(claimed.mul_f64(0.02));
    assert!(measured.abs_diff(claimed) <= within, "{what}: {measured:?} instead of {claimed:?}");
}

#[test]
fn a_round_trip_takes_as_long_as_it_is_said_to() {
    for ms in [0, 20, 100] {
        let network = Network::lay(&plan(ms, Imitation::Packets), 1).unwrap();
        let claimed = network.plan().round_trip;
        let RoundTrip { handshake, echo } = network.measured();
        eprintln!(
            "{ms} ms: {handshake:?} {echo:?} {:?}",
            network.reading().unwrap().lateness.map(|l| (
                l.len(),
                l.value_at_quantile(0.5),
                l.value_at_quantile(0.99),
                l.max()
            ))
        );
        assert_near(handshake, claimed, "the handshake");
        assert_near(echo, claimed, "the echo");
    }
}

#[test]
fn a_relay_delays_all_but_the_handshake() {
    for ms in [0, 20] {
        let network = Network::lay(&plan(ms, Imitation::Relay), 1).unwrap();
        let RoundTrip { handshake, echo } = network.measured();
        eprintln!("{ms} ms: {handshake:?} {echo:?}");
        assert_near(handshake, Duration::ZERO, "the handshake");
        assert_near(echo, network.plan().round_trip, "the echo");
    }
}

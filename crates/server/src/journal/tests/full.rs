//! A disk that has room for some of the requests that wait together: who is answered what, and what is there then.

use super::*;

const CHANNELS: [&str; 2] = ["a", "b"];

/// Requests that wait together: who sends each, if it is numbered, to which channel, and how long it is.
fn requests() -> impl Strategy<Value = Vec<(Option<usize>, usize, usize)>> {
    proptest::collection::vec((proptest::option::of(0..3_usize), 0..2_usize, 0..300_usize), 1..12)
}

/// The claim of each: publishers count their own.
fn claims(requests: &[(Option<usize>, usize, usize)]) -> Vec<Option<Claim>> {
    let mut sequences = [0; 3];
    let claim = |&(publisher, ..): &(Option<usize>, usize, usize)| {
        publisher.map(|publisher| {
            sequences[publisher] += 1;
            Claim { publisher: publisher.to_string().into(), sequence: sequences[publisher] }
        })
    };
    requests.iter().map(claim).collect()
}

fn payload(length: usize) -> String {
    "x".repeat(length)
}

/// What a request takes in the file.
fn size(channel: &str, claim: Option<&Claim>, length: usize) -> u64 {
    let (mut bytes, event) = (Vec::new(), event(&payload(length)));
    let place = Place { id: 1, position: 1 };
    record::push_batch(channel, place, claim, [event.parts()].into_iter(), &mut bytes);
    bytes.len() as u64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Where not all fit, each is written that does, in their order; but what a publisher sent behind one of its own
    /// that is refused is refused too. What was answered is there, and nothing else is, after a restart too.
    #[test]
    fn of_requests_that_wait_together_those_are_taken_that_fit_and_no_publisher_is_overtaken_by_itself(
        requests in requests(), room in 0..2_500_u64,
    ) {
        let (dir, hub) = (TempDir::new().unwrap(), hub());
        let mut segments = Segments::behind(Folder::open(dir.path()).unwrap(), &[], 1, false);
        segments.segment_bytes = 1 << 20;
        segments.begin(&hub, &Publishers::default()).unwrap();
        segments.full_at = segments.length() + room;
        let shared = Arc::new(Shared::default());
        let writer = Writer::new(
            Arc::clone(&hub), segments, Publishers::default(), LogSync::Never, Arc::clone(&shared),
        ).unwrap();
        let claims = claims(&requests);
        let sizes: Vec<_> = requests
            .iter()
            .zip(&claims)
            .map(|(&(_, channel, length), claim)| size(CHANNELS[channel], claim.as_ref(), length))
            .collect();
        let answers: Vec<_> = requests
            .iter()
            .zip(&claims)
            .map(|(&(_, channel, length), claim)| {
                let (answer, answered) = oneshot::channel();
                let channel = hub.channel(CHANNELS[channel]).unwrap();
                let events = vec![event(&payload(length))];
                shared.add(Job { channel, events, claim: claim.clone(), answer: Some(answer) });
                answered
            })
            .collect();
        shared.queue().is_closed = true;
        writer.run();

        let (mut used, mut refused, mut ids) = (0, [false; 3], [0; 2]);
        let all_fit = sizes.iter().sum::<u64>() <= room;
        let (mut taken, mut was_taken) = (Vec::new(), Vec::new());
        for ((&(publisher, channel, length), size), answer) in requests.iter().zip(&sizes).zip(answers) {
            let is_behind = publisher.is_some_and(|publisher| refused[publisher]);
            let fits = all_fit || (!is_behind && used + size <= room);
            let answer = now(answer).unwrap();
            was_taken.push(answer.is_ok());
            match answer {
                Ok(answered) => {
                    prop_assert!(fits);
                    used += size;
                    ids[channel] += 1;
                    prop_assert_eq!(answered, Taken { last_id: Some(ids[channel]), is_repeated: false });
                    taken.push((CHANNELS[channel].to_owned(), length));
                }
                Err(Refused::DiskFull(why)) => {
                    prop_assert!(!fits && why.contains("nothing of this request was kept"), "{}", why);
                    if let Some(publisher) = publisher {
                        refused[publisher] = true;
                    }
                }
                Err(other) => return Err(TestCaseError::fail(format!("{other:?}"))),
            }
        }
        let there = |hub: &Hub| -> Vec<_> {
            let of = |(channel, event): (Arc<Channel>, Arc<crate::framing::Event>)| {
                (channel.name().to_owned(), event.parts().1.len())
            };
            hub.kept().1.into_iter().map(of).collect()
        };
        prop_assert_eq!(there(&hub), taken.clone());

        let after = self::hub();
        let (journal, report) = open(dir.path(), LogSync::Never, &after);
        prop_assert_eq!((there(&after), report.cut), (taken.clone(), Vec::new()));
        // There is room again, and the numbered ones are sent again: what was taken is known, and the rest follows.
        let mut count = taken.len();
        for ((&(_, channel, length), claim), was_taken) in requests.iter().zip(&claims).zip(was_taken) {
            if claim.is_none() {
                continue;
            }
            let channel = after.channel(CHANNELS[channel]).unwrap();
            let events = vec![event(&payload(length))];
            let answer = now(journal.publish(&channel, events, claim.clone())).unwrap();
            prop_assert_eq!(answer.is_repeated, was_taken);
            count += usize::from(!was_taken);
        }
        prop_assert_eq!(there(&after).len(), count);
    }
}

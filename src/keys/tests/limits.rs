//! What made-up names cost.

use super::*;

#[tokio::test]
async fn a_server_without_keys_is_let_be() {
    let asker = Asker::new().await;
    for number in [1, 1, 2, 3] {
        assert_eq!(
            asker.look_up("made-up.test", number).await,
            Err(NoKey::Absent)
        );
    }
    assert_eq!(asker.stub.lookups(), 1);
    asker.counted("vestibule_servers_without_keys 1");
    let after = |seconds| SystemTime::now() + Duration::from_secs(seconds);
    assert!(matches!(
        asker.known("made-up.test", 1, after(59)),
        Known::Absent(NoKey::Absent)
    ));
    assert!(matches!(
        asker.known("made-up.test", 1, after(61)),
        Known::Unknown
    ));
}

#[tokio::test]
async fn made_up_key_ids_of_a_known_server_are_one_lookup_and_hide_no_key() {
    let asker = Asker::new().await;
    asker.publishes("a.test", &[1], &[]);
    assert!(asker.look_up("a.test", 1).await.is_ok());
    // It has another key by now, of which nobody has heard.
    asker.publishes("a.test", &[2], &[1]);
    for number in 100..120 {
        assert_eq!(asker.look_up("a.test", number).await, Err(NoKey::Absent));
    }
    assert_eq!(asker.stub.lookups(), 2);
    assert!(asker.is_known("a.test", 2) && !asker.is_known("a.test", 1));
    let soon = SystemTime::now() + Duration::from_secs(16);
    assert!(matches!(asker.known("a.test", 100, soon), Known::Unknown));
}

#[tokio::test]
async fn ids_that_no_server_has_are_not_asked_for() {
    let asker = Asker::new().await;
    let long = format!("ed25519:{}", "a".repeat(LONGEST_KEY_ID));
    for key_id in ["", "rsa:1", "ed25519", long.as_str()] {
        let mut asked = Asked::new("a.test", 1);
        asked.key_id = key_id.to_owned();
        let pool = Pool::new();
        let asking = asked.asking(&asker, &pool, "192.0.2.7");
        assert_eq!(
            asker.keys.look_up(&asking).await.err(),
            Some(NoKey::Absent),
            "{key_id}"
        );
    }
    assert!(asker.stub.requests().is_empty());
}

#[tokio::test]
async fn one_address_has_a_budget_and_others_have_their_own() {
    let asker = Asker::with(|settings| (settings.per_minute, settings.burst) = (1, 3)).await;
    asker.publishes("a.test", &[1], &[]);
    for number in 0..10 {
        let expected = if number < 3 {
            NoKey::Absent
        } else {
            NoKey::Address
        };
        let server = format!("made-up-{number}.test");
        assert_eq!(asker.look_up(&server, 1).await, Err(expected), "{number}");
    }
    assert_eq!(asker.stub.lookups(), 3);
    asker.counted("vestibule_key_lookups_refused_total{reason=\"address\"} 7");
    assert!(asker.look_up_for("192.0.2.8", "a.test", 1).await.is_ok());
    // What is known costs nothing.
    assert!(asker.look_up("a.test", 1).await.is_ok());
}

#[tokio::test]
async fn lookups_under_way_are_bounded_and_known_servers_have_their_share() {
    let asker = Asker::with(|settings| settings.lookups = 8).await;
    asker.publishes("a.test", &[1], &[]);
    assert!(asker.look_up("a.test", 1).await.is_ok());
    asker.publishes("a.test", &[2], &[]);
    asker.stub.is_open.send_replace(false);
    let pool = Pool::new();
    for number in 0..20 {
        let asked = Asked::new(&format!("made-up-{number}.test"), 1);
        let client = format!("192.0.2.{number}");
        assert!(
            asker
                .keys
                .find(&asked.asking(&asker, &pool, &client), SystemTime::now())
                .is_none()
        );
    }
    asker.stub.was_asked(7).await;
    asker.counted("vestibule_key_lookups_under_way 6");
    asker.counted("vestibule_key_lookups_refused_total{reason=\"busy\"} 14");
    let waiting = asker.look_up_for("192.0.2.100", "a.test", 2);
    let opening = async {
        asker.stub.was_asked(8).await;
        asker.stub.is_open.send_replace(true);
    };
    let (found, ()) = tokio::join!(waiting, opening);
    assert_eq!(found, Ok(public(2)));
    asker.landed().await;
    asker.counted("vestibule_key_lookups_under_way 0");
}

#[tokio::test]
async fn made_up_names_displace_no_keys_and_take_bounded_room() {
    let asker = Asker::with(|settings| settings.most_keys = 200).await;
    for number in 0..20 {
        let server = format!("{number}.test");
        asker.publishes(&server, &[1], &[]);
        assert!(asker.look_up(&server, 1).await.is_ok());
    }
    for number in 0..1000 {
        let server = format!("made-up-{number}.test");
        assert_eq!(asker.look_up(&server, 1).await, Err(NoKey::Absent));
    }
    for number in 0..20 {
        assert!(asker.is_known(&format!("{number}.test"), 1), "{number}");
    }
    assert!(asker.keys.pauses.len() <= MOST_PAUSES);
}

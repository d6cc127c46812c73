//! Models of asking for more, and of knowing whose work a job is.

use super::*;

/// Who asks while the owner attends is answered by that, or at the next push.
fn ask(public: Public) {
    loom::model(move || {
        let stage = Stage::new();
        stage.offer(0, Public::Same, false);
        let asker = spawn(&stage, |stage| stage.ring.ask());
        unsafe { stage.ring.attend(public, false) };
        asker.join().unwrap();
        if stage.ring.is_asked() {
            // As a push would find it. A plain load might find what `attend` has swapped in even if the request came after
            // that: loom does not know that nothing comes between the two halves of a swap.
            let limit = unsafe { stage.ring.own.limit.unsync_load() };
            assert_eq!(limit, 0, "a request is forgotten");
            stage.push(1);
            unsafe { stage.ring.attend(Public::Oldest, false) };
            assert!(!stage.ring.is_asked());
            stage.pop(1);
        } else {
            assert!(public != Public::Same, "nobody has answered");
        }
        assert!(stage.ring.has_public());
        stage.pop(0);
    });
}

#[test]
fn ring_forgets_no_request() {
    ask(Public::Same);
}

#[test]
fn ring_answers_a_request_or_remembers_it() {
    ask(Public::Oldest);
}

/// One piece of work follows another at the same positions, while a thief looks for a job of the second: it gets none of
/// the first, nor of what is below both.
#[test]
fn ring_knows_whose_work_a_job_is() {
    const FIRST: u8 = 1;
    const SECOND: u8 = 2;
    bounded(|| {
        let stage = Stage::new();
        let thief = spawn(&stage, |stage| {
            for _ in 0..2 {
                stage.ring.expose();
                let theft = stage.steal(|owner| owner == Some(SECOND));
                assert!(!matches!(theft, Theft::Taken(0 | 1)));
            }
        });
        stage.ring.begin(FIRST);
        stage.offer(0, Public::All, false);
        stage.ring.begin(SECOND);
        stage.offer(2, Public::All, false);
        stage.pop(2);
        stage.ring.end();
        stage.offer(1, Public::All, false);
        assert!(stage.pop(1));
        assert!(stage.pop(0));
        stage.ring.end();
        stage.ring.begin(SECOND);
        stage.offer(3, Public::All, false);
        stage.pop(3);
        stage.ring.end();
        thief.join().unwrap();
        // Who wants the right one gets it.
        stage.ring.begin(FIRST);
        stage.ring.begin(SECOND);
        stage.push(4);
        unsafe { stage.ring.attend(Public::All, false) };
        assert_eq!(stage.steal(|owner| owner == Some(FIRST)), Theft::Refused);
        assert_eq!(stage.steal(|owner| owner == Some(SECOND)), Theft::Taken(4));
        assert!(!stage.pop(4));
        stage.ring.end();
        stage.ring.end();
        stage.assert_ran(5);
    });
}

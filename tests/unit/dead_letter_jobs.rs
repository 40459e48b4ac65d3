//! Jobs with dead letters: bounded, stoppable, and always with an end.

use std::sync::Arc;

use order_worker::entrypoints::dead_letters::Actor;
use order_worker::entrypoints::dead_letters::jobs::{
    JobEnd, JobKind, JobLine, JobReport, Jobs, MAX_LINES, NotStarted, Note, Order,
};
use order_worker::service_layer::StoreError;
use uuid::Uuid;

use crate::support::clock::TickingClock;

type Worked = Result<usize, StoreError>;

fn jobs() -> Jobs {
    Jobs::new(Arc::new(TickingClock::default()))
}

fn order(ids: &[i64]) -> Order {
    Order { kind: JobKind::Replay, actor: Actor::new("ada", Some("late")), ids: ids.into() }
}

fn line(id: i64) -> JobLine {
    JobLine { id, word: "accepted", detail: String::new() }
}

/// Works until it is told to stop, and has tried none of two then.
async fn until_stopped(note: Note) -> Worked {
    note.stop().cancelled().await;
    Ok(2)
}

/// The end of a job, waited for.
async fn end_of(jobs: &Jobs, id: Uuid) -> JobEnd {
    loop {
        if let Some(JobReport { end: Some((_, end)), .. }) = jobs.report(id) {
            return end;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_job_tells_how_far_it_is() {
    let jobs = jobs();
    let work = |note: Note| async move {
        note.add(line(7), false);
        note.add(line(8), true);
        until_stopped(note).await
    };
    let id = jobs.start(order(&[7, 8, 9, 10]), work).unwrap();
    while jobs.report(id).unwrap().done < 2 {
        tokio::task::yield_now().await;
    }

    let report = jobs.report(id).unwrap();

    assert!(report.is_running());
    assert_eq!((report.counts["accepted"], report.trouble_count), (2, 1));
    assert_eq!((report.others, report.troubles), (vec![line(7)], vec![line(8)]));
    assert_eq!(report.actor, Actor::new("ada", Some("late")));
}

#[tokio::test]
async fn a_job_ends_as_its_work_does() {
    let jobs = jobs();
    let database = || StoreError::Unavailable("gone".to_owned());
    for (worked, end) in [
        (Ok(0), JobEnd::Finished),
        (Ok(3), JobEnd::TooManyFailures { not_tried: 3 }),
        (Err(database()), JobEnd::Database),
    ] {
        let id = jobs.start(order(&[1]), |_| async move { worked }).unwrap();
        assert_eq!(end_of(&jobs, id).await, end);
    }
}

#[tokio::test]
async fn a_job_that_breaks_has_an_end_all_the_same() {
    let jobs = jobs();
    let work = |_| async { if true { panic!("as a bug would") } else { Ok(0) } };

    let id = jobs.start(order(&[1]), work).unwrap();

    assert_eq!(end_of(&jobs, id).await, JobEnd::Broken);
}

#[tokio::test]
async fn a_job_is_stopped_once_and_says_by_whom() {
    let jobs = jobs();
    let id = jobs.start(order(&[1, 2]), until_stopped).unwrap();

    assert!(jobs.stop(id, "bob"));

    assert_eq!(end_of(&jobs, id).await, JobEnd::Stopped { not_tried: 2 });
    assert_eq!(jobs.report(id).unwrap().stopped_by.as_deref(), Some("bob"));
    assert!(!jobs.stop(id, "eve"), "it has ended");
    assert!(!jobs.stop(Uuid::nil(), "eve"), "there is none");
}

#[tokio::test]
async fn the_end_of_the_worker_stops_all_jobs_and_begins_none() {
    let jobs = jobs();
    let running = [(); 2].map(|()| jobs.start(order(&[1, 2]), until_stopped).unwrap());

    jobs.end().await;

    for id in running {
        assert_eq!(end_of(&jobs, id).await, JobEnd::Stopped { not_tried: 2 });
    }
    assert_eq!(jobs.start(order(&[1]), until_stopped), Err(NotStarted::Stopping));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_does_not_stop_is_broken_off() {
    let jobs = jobs();
    let id = jobs.start(order(&[1]), |_| std::future::pending::<Worked>()).unwrap();

    jobs.end().await;

    assert_eq!(end_of(&jobs, id).await, JobEnd::Broken);
}

#[tokio::test]
async fn a_fifth_job_has_to_wait_for_one_of_four() {
    let jobs = jobs();
    let running = [(); 4].map(|()| jobs.start(order(&[1]), until_stopped).unwrap());

    assert_eq!(jobs.start(order(&[1]), until_stopped), Err(NotStarted::TooMany));

    assert!(jobs.stop(running[2], "bob"));
    end_of(&jobs, running[2]).await;
    assert!(jobs.start(order(&[1]), until_stopped).is_ok());
}

#[tokio::test]
async fn fifty_jobs_are_remembered_and_one_that_runs_is_not_forgotten() {
    let jobs = jobs();
    let running = jobs.start(order(&[1]), until_stopped).unwrap();
    let mut ended = Vec::new();
    for _ in 0..50 {
        let id = jobs.start(order(&[1]), |_| async { Ok(0) }).unwrap();
        end_of(&jobs, id).await;
        ended.push(id);
    }

    let known: Vec<Uuid> = jobs.reports().iter().map(|report| report.id).collect();

    assert_eq!(known.len(), 50);
    assert_eq!((known[0], known[49]), (ended[49], running), "the latest first");
    assert!(jobs.report(ended[0]).is_none());
}

#[tokio::test]
async fn what_a_job_remembers_of_dead_letters_is_bounded() {
    let jobs = jobs();
    let many = MAX_LINES + 10;
    let work = move |note: Note| async move {
        (0..many).for_each(|_| note.add(line(1), false));
        Ok(0)
    };
    let id = jobs.start(order(&[1]), work).unwrap();
    end_of(&jobs, id).await;

    let report = jobs.report(id).unwrap();

    assert_eq!((report.others.len(), report.counts["accepted"]), (MAX_LINES, many));
}

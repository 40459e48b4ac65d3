//! Dead-letter jobs: they are bounded, can be stopped, and always end.

use std::sync::Arc;

use order_worker::service_layer::StoreError;
use order_worker::service_layer::dead_letters::Actor;
use order_worker::service_layer::dead_letters::jobs::{
    JobEnd, JobKind, JobLine, JobProgress, JobReport, JobRequest, Jobs, MAX_LINES, NotStarted,
};
use uuid::Uuid;

use crate::support::clock::TickingClock;

type Worked = Result<usize, StoreError>;

fn jobs() -> Jobs {
    Jobs::new(Arc::new(TickingClock::default()))
}

fn request(ids: &[i64]) -> JobRequest {
    JobRequest { kind: JobKind::Replay, actor: Actor::new("ada", Some("late")), ids: ids.into() }
}

fn line(id: i64) -> JobLine {
    JobLine { id, outcome: "accepted", detail: String::new() }
}

/// Runs until it is stopped, with two dead letters left.
async fn until_stopped(progress: JobProgress) -> Worked {
    progress.stop().cancelled().await;
    Ok(2)
}

/// Waits for the end of a job.
async fn end_of(jobs: &Jobs, id: Uuid) -> JobEnd {
    loop {
        if let Some(JobReport { end: Some((_, end)), .. }) = jobs.report(id) {
            return end;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_running_job_reports_its_progress() {
    let jobs = jobs();
    let work = |progress: JobProgress| async move {
        progress.add(line(7), false);
        progress.add(line(8), true);
        until_stopped(progress).await
    };
    let id = jobs.start(request(&[7, 8, 9, 10]), work).unwrap();
    while jobs.report(id).unwrap().done < 2 {
        tokio::task::yield_now().await;
    }

    let report = jobs.report(id).unwrap();

    assert!(report.is_running());
    assert_eq!((report.counts["accepted"], report.problem_count), (2, 1));
    assert_eq!((report.others, report.problems), (vec![line(7)], vec![line(8)]));
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
        let id = jobs.start(request(&[1]), |_| async move { worked }).unwrap();
        assert_eq!(end_of(&jobs, id).await, end);
    }
}

#[tokio::test]
async fn a_job_that_panics_ends_as_aborted() {
    let jobs = jobs();
    let work = |_| async { if true { panic!("as a bug would") } else { Ok(0) } };

    let id = jobs.start(request(&[1]), work).unwrap();

    assert_eq!(end_of(&jobs, id).await, JobEnd::Aborted);
}

#[tokio::test]
async fn a_job_is_stopped_once_and_reports_by_whom() {
    let jobs = jobs();
    let id = jobs.start(request(&[1, 2]), until_stopped).unwrap();

    assert!(jobs.stop(id, "bob"));

    assert_eq!(end_of(&jobs, id).await, JobEnd::Stopped { not_tried: 2 });
    assert_eq!(jobs.report(id).unwrap().stopped_by.as_deref(), Some("bob"));
    assert!(!jobs.stop(id, "eve"), "it has ended");
    assert!(!jobs.stop(Uuid::nil(), "eve"), "there is none");
}

#[tokio::test]
async fn jobs_stop_with_the_worker_and_no_further_one_starts() {
    let jobs = jobs();
    let running = [(); 2].map(|()| jobs.start(request(&[1, 2]), until_stopped).unwrap());

    jobs.end().await;

    for id in running {
        assert_eq!(end_of(&jobs, id).await, JobEnd::Stopped { not_tried: 2 });
    }
    assert_eq!(jobs.start(request(&[1]), until_stopped), Err(NotStarted::Stopping));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_does_not_stop_is_aborted() {
    let jobs = jobs();
    let id = jobs.start(request(&[1]), |_| std::future::pending::<Worked>()).unwrap();

    jobs.end().await;

    assert_eq!(end_of(&jobs, id).await, JobEnd::Aborted);
}

#[tokio::test]
async fn a_fifth_job_is_rejected_while_four_are_running() {
    let jobs = jobs();
    let running = [(); 4].map(|()| jobs.start(request(&[1]), until_stopped).unwrap());

    assert_eq!(jobs.start(request(&[1]), until_stopped), Err(NotStarted::TooMany));

    assert!(jobs.stop(running[2], "bob"));
    end_of(&jobs, running[2]).await;
    assert!(jobs.start(request(&[1]), until_stopped).is_ok());
}

#[tokio::test]
async fn the_latest_fifty_jobs_and_running_ones_are_remembered() {
    let jobs = jobs();
    let running = jobs.start(request(&[1]), until_stopped).unwrap();
    let mut ended = Vec::new();
    for _ in 0..50 {
        let id = jobs.start(request(&[1]), |_| async { Ok(0) }).unwrap();
        end_of(&jobs, id).await;
        ended.push(id);
    }

    let known: Vec<Uuid> = jobs.reports().iter().map(|report| report.id).collect();

    assert_eq!(known.len(), 50);
    assert_eq!((known[0], known[49]), (ended[49], running), "the latest first");
    assert!(jobs.report(ended[0]).is_none());
}

#[tokio::test]
async fn a_job_keeps_a_bounded_number_of_lines() {
    let jobs = jobs();
    let many = MAX_LINES + 10;
    let work = move |progress: JobProgress| async move {
        (0..many).for_each(|_| progress.add(line(1), false));
        Ok(0)
    };
    let id = jobs.start(request(&[1]), work).unwrap();
    end_of(&jobs, id).await;

    let report = jobs.report(id).unwrap();

    assert_eq!((report.others.len(), report.counts["accepted"]), (MAX_LINES, many));
}

#[tokio::test]
async fn a_stopped_job_does_not_begin_with_the_next_dead_letter() {
    let jobs = jobs();
    let work = |progress: JobProgress| async move {
        for id in progress.ids_until_stopped() {
            progress.add(line(id), false);
            if id == 8 {
                progress.stop().cancel();
            }
        }
        Ok(progress.not_tried())
    };
    let id = jobs.start(request(&[7, 8, 9, 10]), work).unwrap();

    assert_eq!(end_of(&jobs, id).await, JobEnd::Stopped { not_tried: 2 });
    assert_eq!(jobs.report(id).unwrap().others, [line(7), line(8)]);
}

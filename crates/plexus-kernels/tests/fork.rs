//! A pool in a child after `fork`: the threads of the pool are not there, and nothing waits for them.
#![cfg(unix)]

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use plexus_kernels::Context;
use plexus_kernels::reduce;
use plexus_kernels::threads::Pool;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Runs `work` in a child, and fails where it fails.
fn in_a_child(work: impl FnOnce()) {
    // SAFETY: the child has this thread alone. It takes no lock that another thread may have held, but those of the
    // allocator, which the C library hands to the child in order; and it ends below, in every case.
    match unsafe { fork() }.expect("the system forks") {
        ForkResult::Parent { child } => assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0))),
        ForkResult::Child => {
            let result = catch_unwind(AssertUnwindSafe(work));
            // SAFETY: ends the process, without what the parent left to be done at the end.
            unsafe { nix::libc::_exit(i32::from(result.is_err())) }
        }
    }
}

/// How often each task is done by a pool.
fn counts(pool: &Pool, tasks: usize) -> Vec<usize> {
    let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
    pool.for_each(tasks, |task| {
        counts[task].fetch_add(1, Ordering::Relaxed);
    });
    counts.into_iter().map(AtomicUsize::into_inner).collect()
}

#[test]
fn a_child_works_on_its_own_thread_and_lets_go_of_the_pool() {
    let values: Vec<f32> = (0..300_000).map(|i| (i as f32 * 0.3).sin()).collect();
    for threads in [2, 7] {
        let context = Context::detect(Pool::new(threads));
        let sum = reduce::sum_f64(&values, &context);
        // Workers awake after a job, and asleep: each time round they have had more time.
        for round in 0..4 {
            in_a_child(|| {
                assert_eq!(counts(context.pool(), 100), [1; 100]);
                assert_eq!(reduce::sum_f64(&values, &context), sum);
                // A pool of its own has threads.
                let own = Context::detect(Pool::new(threads));
                assert_eq!(own.pool().threads(), threads);
                assert_eq!(reduce::sum_f64(&values, &own), sum);
                drop(own);
                drop(context.clone());
            });
            (0..round * 200).for_each(|_| std::thread::yield_now());
            assert_eq!(counts(context.pool(), 100), [1; 100]);
        }
        // The last owner of a pool, in a child.
        let mut last = Some(Pool::new(threads));
        in_a_child(|| drop(last.take()));
        assert_eq!(counts(&last.expect("the parent still has it"), 50), [1; 50]);
    }
}

#[test]
fn a_child_made_during_a_job_of_another_thread_works_too() {
    let pool = Pool::new(2);
    let (begun, release) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pool.for_each(2, |_| {
                begun.fetch_add(1, Ordering::SeqCst);
                while !release.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
            });
        });
        while begun.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        in_a_child(|| {
            assert_eq!(counts(&pool, 100), [1; 100]);
            drop(pool.clone());
        });
        release.store(true, Ordering::SeqCst);
    });
    assert_eq!(counts(&pool, 100), [1; 100]);
}

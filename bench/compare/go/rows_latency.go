package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

func latencyRows() []row {
	return []row{
		{"go_compute", 2, func(m *measurement) { burstRow(m, m.scaled(400, 1), 1) }},
		{"spawn_burst", 2, func(m *measurement) { burstRow(m, m.scaled(400, 1), 1000) }},
		{"wake_stuck", 2, wakeStuckRow},
		{"short_sleep", 1, shortSleepRow},
		{"submit", 1, submitRow},
	}
}

const (
	pauseLength  = time.Millisecond      // every processor goes idle in it
	computeChunk = 64                    // steps between two looks: about 0.15 us
	computeLimit = 20 * time.Millisecond // computing so long without a start is a miss
)

var clockBase = time.Now()

func nowNS() int64 { return int64(time.Since(clockBase)) }

// burstRow: after a pause a task spawns burst tasks and computes on; how long until the first of them starts, which
// only another processor can do. An op is one burst.
func burstRow(m *measurement, bursts, burst int) {
	latency := make([]int64, bursts)
	var misses int64
	var h uint64 = 1
	m.start()
	for i := range latency {
		time.Sleep(pauseLength)
		first := new(atomic.Int64)
		var wg sync.WaitGroup
		wg.Add(burst)
		begin := nowNS()
		for t := 0; t < burst; t++ {
			go func() {
				first.CompareAndSwap(0, nowNS())
				wg.Done()
			}()
		}
		for first.Load() == 0 {
			h = mixSteps(h, computeChunk)
			if nowNS()-begin > int64(computeLimit) {
				misses++
				break
			}
		}
		wg.Wait()
		latency[i] = first.Load() - begin
	}
	m.stop(bursts)
	if h == 0 {
		m.failure = "the computing went wrong"
	}
	m.noteLateness(latency, "us", time.Microsecond)
	m.note("misses", float64(misses))
}

// submitRow: a task that has a thread to itself, which is what Go has for a plain thread, starts a task every
// millisecond; how long until it runs. An op is one task.
func submitRow(m *measurement) {
	tasks := m.scaled(1000, 1)
	latency := make([]int64, tasks)
	var ran sync.WaitGroup
	ran.Add(tasks)
	m.start()
	go func() {
		runtime.LockOSThread()
		for i := range latency {
			time.Sleep(pauseLength)
			slot, begin := &latency[i], nowNS()
			go func() {
				*slot = nowNS() - begin
				ran.Done()
			}()
		}
	}()
	ran.Wait()
	m.stop(tasks)
	m.noteLateness(latency, "us", time.Microsecond)
}

// wakeStuckRow: one task computes for 20 ms at a time, with short sleeps between; another sleeps a millisecond at a
// time: how late it wakes. An op is one such sleep.
func wakeStuckRow(m *measurement) {
	const stuckFor = 20 * time.Millisecond
	late := make([]int64, m.scaled(500, 1))
	var h uint64 = 1
	var stop atomic.Bool
	var wg sync.WaitGroup
	m.start()
	wg.Add(2)
	go func() {
		for !stop.Load() {
			time.Sleep(pauseLength)
			for end := nowNS() + int64(stuckFor); nowNS() < end; {
				h = mixSteps(h, computeChunk)
			}
		}
		wg.Done()
	}()
	go func() {
		for i := range late {
			due := nowNS() + int64(pauseLength)
			time.Sleep(pauseLength)
			late[i] = nowNS() - due
		}
		stop.Store(true)
		wg.Done()
	}()
	wg.Wait()
	m.stop(len(late))
	if h == 0 {
		m.failure = "the computing went wrong"
	}
	m.noteLateness(late, "late_us", time.Microsecond)
}

// shortSleepRow: one task, alone, sleeps for 1 to 100 us: how late it wakes. An op is one sleep.
func shortSleepRow(m *measurement) {
	lengths := []time.Duration{1, 2, 5, 10, 20, 50, 100} // us
	rounds := m.scaled(300, 1)
	late := make([]int64, 0, rounds*len(lengths))
	m.start()
	for r := 0; r < rounds; r++ {
		for _, length := range lengths {
			due := nowNS() + int64(length*time.Microsecond)
			time.Sleep(length * time.Microsecond)
			late = append(late, nowNS()-due)
		}
	}
	m.stop(len(late))
	m.noteLateness(late, "late_us", time.Microsecond)
}

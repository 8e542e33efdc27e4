package main

import (
	"sync"
	"sync/atomic"
	"time"
)

func resourceRows() []row {
	return []row{
		{"parked_10k", 1, func(m *measurement) { parkedMemoryRow(m, 10_000) }},
		{"parked_memory", 1, func(m *measurement) { parkedMemoryRow(m, 100_000) }},
		{"parked_1m", 1, func(m *measurement) { parkedMemoryRow(m, 1_000_000) }},
		{"idle", 1, idleRow},
	}
}

// parkTasks starts tasks that wait until gate is closed and returns when all of them are at it, or about to be.
func parkTasks(wg *sync.WaitGroup, gate chan struct{}, came *atomic.Int64, tasks int) {
	wg.Add(tasks)
	for t := 0; t < tasks; t++ {
		go func() {
			came.Add(1)
			<-gate
			wg.Done()
		}()
	}
	for came.Load() < int64(tasks) {
		time.Sleep(time.Millisecond)
	}
}

// parkedMemoryRow: tasks wait; noted is what the process has grown by, resident memory and page tables, for
// each. An op is one task, started, parked and ended.
func parkedMemoryRow(m *measurement, count int) {
	tasks := m.scaled(count, 1)
	gate := make(chan struct{})
	var came atomic.Int64
	var wg sync.WaitGroup
	m.start()
	before := residentKB()
	parkTasks(&wg, gate, &came, tasks)
	m.note("bytes_per_task", float64(residentKB()-before)*1024/float64(tasks))
	close(gate)
	wg.Wait()
	m.stop(tasks)
	m.expect("tasks that ran", came.Load(), int64(tasks))
}

// idleRow: 1000 tasks wait, and for a second nothing happens; noted is what that cost. An op is a second.
func idleRow(m *measurement) {
	const tasks = 1000
	const settle = 100 * time.Millisecond // spinning, if any, has ended by then
	gate := make(chan struct{})
	var came atomic.Int64
	var wg sync.WaitGroup
	parkTasks(&wg, gate, &came, tasks)
	time.Sleep(settle)
	m.start()
	time.Sleep(time.Second)
	m.stop(1)
	close(gate)
	wg.Wait()
	m.expect("tasks that ran", came.Load(), tasks)
	if m.wall < time.Second {
		m.failure = "the second ended early"
	}
	m.note("cpu_us_per_s", m.cpu.Seconds()*1e6/m.wall.Seconds())
}

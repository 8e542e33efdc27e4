package main

import (
	"runtime"
	"sync"
)

func switchRows() []row {
	return []row{
		{"yield2", 1, func(m *measurement) { yieldRow(m, 2, m.scaled(8_000_000, 1)) }},
		{"yield1000", 1, func(m *measurement) { yieldRow(m, 1000, m.scaled(8_000, 1)) }},
		{"yield1000_cold", 1, func(m *measurement) { yieldColdRow(m, 1000, m.scaled(4_000, 1)) }},
		{"spawn", 1, spawnRow},
		{"mutex8", 1, mutexRow},
	}
}

// yieldRow: tasks that do nothing but yield; an op is one yield.
func yieldRow(m *measurement, tasks, yields int) {
	done := make([]int, tasks)
	var wg sync.WaitGroup
	m.start()
	wg.Add(tasks)
	for t := 0; t < tasks; t++ {
		go func(t int) {
			count := 0
			for i := 0; i < yields; i++ {
				runtime.Gosched()
				count++
			}
			done[t] = count
			wg.Done()
		}(t)
	}
	wg.Wait()
	m.stop(tasks * yields)
	sum := 0
	for _, d := range done {
		sum += d
	}
	m.expect("yields", int64(sum), int64(tasks*yields))
}

// coldLines is how many cache lines a task touches after a switch in the cold rows.
const coldLines = 16

// coldMemory has one counter a cache line; it lives on a task's stack.
type coldMemory [coldLines]struct {
	count int64
	_     [7]int64
}

// touch adds one to every line and returns the sum of the lines.
func (c *coldMemory) touch() int64 {
	var sum int64
	for i := range c {
		c[i].count++
		sum += c[i].count
	}
	return sum
}

// yieldColdRow: the same, and after every yield a task touches memory of its own.
func yieldColdRow(m *measurement, tasks, yields int) {
	touched := make([]int64, tasks)
	var wg sync.WaitGroup
	m.start()
	wg.Add(tasks)
	for t := 0; t < tasks; t++ {
		go func(t int) {
			var memory coldMemory
			var last int64
			for i := 0; i < yields; i++ {
				runtime.Gosched()
				last = memory.touch()
			}
			touched[t] = last
			wg.Done()
		}(t)
	}
	wg.Wait()
	m.stop(tasks * yields)
	for _, t := range touched {
		m.expect("touched lines of a task", t, int64(yields*coldLines))
	}
}

// spawnRow: waves of 1000 tasks joined by a wait group; an op is one task, spawned, run and finished.
func spawnRow(m *measurement) {
	const wave = 1000
	waves := m.scaled(1000, 1)
	ran := make([]int32, wave)
	var wg sync.WaitGroup
	m.start()
	for w := 0; w < waves; w++ {
		wg.Add(wave)
		for t := 0; t < wave; t++ {
			slot := &ran[t]
			go func() {
				*slot++
				wg.Done()
			}()
		}
		wg.Wait()
	}
	m.stop(waves * wave)
	for _, r := range ran {
		m.expect("runs of a task", int64(r), int64(waves))
	}
}

// mutexRow: rounds of 8 tasks x 250 k lock, increment, unlock; an op is one of these.
func mutexRow(m *measurement) {
	const tasks, locks = 8, 250_000
	rounds := m.scaled(5, 1)
	var mu sync.Mutex
	var wg sync.WaitGroup
	counter := 0
	m.start()
	for r := 0; r < rounds; r++ {
		wg.Add(tasks)
		for t := 0; t < tasks; t++ {
			go func() {
				for i := 0; i < locks; i++ {
					mu.Lock()
					counter++
					mu.Unlock()
				}
				wg.Done()
			}()
		}
		wg.Wait()
	}
	m.stop(rounds * tasks * locks)
	m.expect("counter", int64(counter), int64(rounds*tasks*locks))
}

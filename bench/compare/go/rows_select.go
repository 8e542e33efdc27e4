package main

import (
	"sync"
	"time"
)

func selectRows() []row {
	return []row{
		{"select2", 1, func(m *measurement) { selectRow(m, 2, m.scaled(3_000_000, 8), drain2) }},
		{"select8", 1, func(m *measurement) { selectRow(m, 8, m.scaled(2_000_000, 8), drain8) }},
		{"select_timeout", 1, timeoutRow},
	}
}

// selectRow: a producer on each of arms unbuffered channels, one consumer that selects over all of them; an op is
// one item.
func selectRow(m *measurement, arms, items int, drain func([]chan int64, int) int64) {
	channels := makeChannels(arms)
	var sum int64
	var wg sync.WaitGroup
	m.start()
	wg.Add(arms + 1)
	share := int64(items / arms)
	for p := 0; p < arms; p++ {
		go func(ch chan int64, first int64) {
			for v := first; v < first+share; v++ {
				ch <- v
			}
			wg.Done()
		}(channels[p], int64(p)*share)
	}
	go func() {
		sum = drain(channels, items)
		wg.Done()
	}()
	wg.Wait()
	m.stop(items)
	n := int64(items)
	m.expect("sum", sum, n*(n-1)/2)
}

func drain2(c []chan int64, items int) int64 {
	c0, c1 := c[0], c[1]
	var sum int64
	for i := 0; i < items; i++ {
		select {
		case v := <-c0:
			sum += v
		case v := <-c1:
			sum += v
		}
	}
	return sum
}

func drain8(c []chan int64, items int) int64 {
	c0, c1, c2, c3, c4, c5, c6, c7 := c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]
	var sum int64
	for i := 0; i < items; i++ {
		select {
		case v := <-c0:
			sum += v
		case v := <-c1:
			sum += v
		case v := <-c2:
			sum += v
		case v := <-c3:
			sum += v
		case v := <-c4:
			sum += v
		case v := <-c5:
			sum += v
		case v := <-c6:
			sum += v
		case v := <-c7:
			sum += v
		}
	}
	return sum
}

// timeoutRow: a producer on an unbuffered channel; the consumer's every receive gives up after an hour. One timer is
// stopped and reset for each, which is cheaper than a new one by time.After; an op is one item.
func timeoutRow(m *measurement) {
	items := m.scaled(3_000_000, 1)
	ch := make(chan int64)
	var sum, missing int64
	var wg sync.WaitGroup
	m.start()
	wg.Add(2)
	go func() {
		for v := int64(0); v < int64(items); v++ {
			ch <- v
		}
		wg.Done()
	}()
	go func() {
		timer := time.NewTimer(time.Hour)
		for i := 0; i < items; i++ {
			timer.Reset(time.Hour)
			select {
			case v := <-ch:
				sum += v
			case <-timer.C:
				missing++
				continue
			}
			if !timer.Stop() {
				<-timer.C
			}
		}
		wg.Done()
	}()
	wg.Wait()
	m.stop(items)
	n := int64(items)
	m.expect("missing items", missing, 0)
	m.expect("sum", sum, n*(n-1)/2)
}

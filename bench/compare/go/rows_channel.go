package main

import "sync"

func channelRows() []row {
	return []row{
		{"pingpong", 1, pingpongRow},
		{"unbuffered_1p1c", 1, func(m *measurement) { streamRow(m, 0, 1, 1, m.scaled(4_000_000, 64)) }},
		{"buffered128_1p1c", 1, func(m *measurement) { streamRow(m, 128, 1, 1, m.scaled(10_000_000, 64)) }},
		{"buffered128_4p4c", 1, func(m *measurement) { streamRow(m, 128, 4, 4, m.scaled(10_000_000, 64)) }},
		{"buffered128_64p64c", 1, func(m *measurement) { streamRow(m, 128, 64, 64, m.scaled(10_000_000, 64)) }},
	}
}

// pingpongRow: two tasks, two unbuffered channels; an op is a round trip, which is four channel operations.
func pingpongRow(m *measurement) {
	trips := m.scaled(3_000_000, 1)
	ping, pong := make(chan int64), make(chan int64)
	var wrong int64
	var wg sync.WaitGroup
	m.start()
	wg.Add(2)
	go func() {
		for i := 0; i < trips; i++ {
			v := <-ping
			pong <- v + 1
		}
		wg.Done()
	}()
	go func() {
		for i := int64(0); i < int64(trips); i++ {
			ping <- i
			if v := <-pong; v != i+1 {
				wrong++
			}
		}
		wg.Done()
	}()
	wg.Wait()
	m.stop(trips)
	m.expect("wrong answers", wrong, 0)
}

// streamRow: producers send the numbers 0 .. items-1, shared out evenly; consumers range until the channel is
// closed; an op is one item.
func streamRow(m *measurement, capacity, producers, consumers, items int) {
	ch := make(chan int64, capacity)
	sums := make([]int64, consumers)
	counts := make([]int64, consumers)
	var sending, receiving sync.WaitGroup
	m.start()
	sending.Add(producers)
	receiving.Add(consumers)
	share := int64(items / producers)
	for p := 0; p < producers; p++ {
		go func(first int64) {
			for v := first; v < first+share; v++ {
				ch <- v
			}
			sending.Done()
		}(int64(p) * share)
	}
	for c := 0; c < consumers; c++ {
		go func(c int) {
			var sum, count int64
			for v := range ch {
				sum += v
				count++
			}
			sums[c], counts[c] = sum, count
			receiving.Done()
		}(c)
	}
	sending.Wait()
	close(ch)
	receiving.Wait()
	m.stop(items)
	var sum, count int64
	for c := range sums {
		sum += sums[c]
		count += counts[c]
	}
	n := int64(items)
	m.expect("items", count, n)
	m.expect("sum", sum, n*(n-1)/2)
}

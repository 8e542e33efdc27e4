package main

import "sync"

func channelRows() []row {
	return []row{
		{"pingpong", 1, func(m *measurement) { pingpongRow(m, 1, m.scaled(3_000_000, 1)) }},
		{"pingpong500", 1, func(m *measurement) { pingpongRow(m, 500, m.scaled(4_000, 1)) }},
		{"pingpong500_cold", 1, func(m *measurement) { pingpongColdRow(m, 500, m.scaled(2_000, 1)) }},
		{"unbuffered_1p1c", 1, func(m *measurement) { streamRow(m, 0, 1, 1, m.scaled(4_000_000, 64)) }},
		{"buffered128_1p1c", 1, func(m *measurement) { streamRow(m, 128, 1, 1, m.scaled(10_000_000, 64)) }},
		{"buffered128_4p4c", 1, func(m *measurement) { streamRow(m, 128, 4, 4, m.scaled(10_000_000, 64)) }},
		{"buffered128_64p64c", 1, func(m *measurement) { streamRow(m, 128, 64, 64, m.scaled(10_000_000, 64)) }},
	}
}

// pingpongRow: pairs of tasks, each with two unbuffered channels; an op is a round trip, which is four channel
// operations.
func pingpongRow(m *measurement, pairs, trips int) {
	pings, pongs := makeChannels(pairs), makeChannels(pairs)
	wrong := make([]int64, pairs)
	var wg sync.WaitGroup
	m.start()
	wg.Add(2 * pairs)
	for p := 0; p < pairs; p++ {
		go func(ping, pong chan int64) {
			for i := 0; i < trips; i++ {
				v := <-ping
				pong <- v + 1
			}
			wg.Done()
		}(pings[p], pongs[p])
		go func(ping, pong chan int64, slot *int64) {
			var mine int64
			for i := int64(0); i < int64(trips); i++ {
				ping <- i
				if v := <-pong; v != i+1 {
					mine++
				}
			}
			*slot = mine
			wg.Done()
		}(pings[p], pongs[p], &wrong[p])
	}
	wg.Wait()
	m.stop(pairs * trips)
	for _, w := range wrong {
		m.expect("wrong answers of a pair", w, 0)
	}
}

// pingpongColdRow: the same, and after a receive a task touches memory of its own.
func pingpongColdRow(m *measurement, pairs, trips int) {
	pings, pongs := makeChannels(pairs), makeChannels(pairs)
	wrong, touched := make([]int64, pairs), make([]int64, pairs)
	var wg sync.WaitGroup
	m.start()
	wg.Add(2 * pairs)
	for p := 0; p < pairs; p++ {
		go func(ping, pong chan int64) {
			var memory coldMemory
			for i := 0; i < trips; i++ {
				v := <-ping
				memory.touch()
				pong <- v + 1
			}
			wg.Done()
		}(pings[p], pongs[p])
		go func(p int, ping, pong chan int64) {
			var memory coldMemory
			var mine, last int64
			for i := int64(0); i < int64(trips); i++ {
				ping <- i
				if v := <-pong; v != i+1 {
					mine++
				}
				last = memory.touch()
			}
			wrong[p], touched[p] = mine, last
			wg.Done()
		}(p, pings[p], pongs[p])
	}
	wg.Wait()
	m.stop(pairs * trips)
	for p := range wrong {
		m.expect("wrong answers of a pair", wrong[p], 0)
		m.expect("touched lines of a task", touched[p], int64(trips*coldLines))
	}
}

func makeChannels(count int) []chan int64 {
	channels := make([]chan int64, count)
	for i := range channels {
		channels[i] = make(chan int64)
	}
	return channels
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

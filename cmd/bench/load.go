package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// What the first byte of a connection asks of the service.
const (
	echo   = 'e' // everything back
	sink   = 'k' // read all, then answer with one byte
	source = 's' // send until the reader has enough
)

const chunk = 256 << 10

// serve answers every connection to l until it is closed.
func serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go answer(c)
	}
}

func answer(c net.Conn) {
	defer c.Close()
	var mode [1]byte
	if _, err := io.ReadFull(c, mode[:]); err != nil {
		return
	}
	buf := make([]byte, chunk)
	switch mode[0] {
	case echo:
		_, _ = io.Copy(c, c)
	case sink:
		_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, buf)
		_, _ = c.Write(mode[:])
	case source:
		for {
			if _, err := c.Write(buf); err != nil {
				return
			}
		}
	}
}

func dial(ctx context.Context, port int, mode byte) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: 10 * time.Second}
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	_, err = c.Write([]byte{mode})
	return c.(*net.TCPConn), err
}

// connections measures new connections a second, each with one byte there and back, n at a time.
func connections(n int) load {
	return func(ctx context.Context, port int, length time.Duration) (float64, int64, error) {
		var count atomic.Int64
		start := time.Now()
		err := crowd(n, func() error {
			for time.Since(start) < length {
				if err := once(ctx, port); err != nil {
					return err
				}
				count.Add(1)
			}
			return nil
		})
		return float64(count.Load()) / time.Since(start).Seconds(), 0, err
	}
}

func once(ctx context.Context, port int) error {
	c, err := dial(ctx, port, echo)
	if err != nil {
		return err
	}
	defer c.Close()
	var b [1]byte
	if _, err := c.Write([]byte{1}); err != nil {
		return err
	}
	_, err = io.ReadFull(c, b[:])
	return err
}

// send measures MB/s from the client to the service, counted when the service has read all of it.
func send(n int) load {
	return func(ctx context.Context, port int, length time.Duration) (float64, int64, error) {
		var total atomic.Int64
		start := time.Now()
		err := crowd(n, func() error {
			c, err := dial(ctx, port, sink)
			if err != nil {
				return err
			}
			defer c.Close()
			buf := make([]byte, chunk)
			for time.Since(start) < length {
				k, err := c.Write(buf)
				total.Add(int64(k))
				if err != nil {
					return err
				}
			}
			if err := c.CloseWrite(); err != nil {
				return err
			}
			_, err = io.ReadFull(c, buf[:1])
			return err
		})
		return float64(total.Load()) / 1e6 / time.Since(start).Seconds(), total.Load(), err
	}
}

// receive measures MB/s from the service to the client.
func receive(n int) load {
	return func(ctx context.Context, port int, length time.Duration) (float64, int64, error) {
		var total atomic.Int64
		start := time.Now()
		err := crowd(n, func() error {
			c, err := dial(ctx, port, source)
			if err != nil {
				return err
			}
			defer c.Close()
			buf := make([]byte, chunk)
			for time.Since(start) < length {
				k, err := c.Read(buf)
				total.Add(int64(k))
				if err != nil {
					return err
				}
			}
			return nil
		})
		return float64(total.Load()) / 1e6 / time.Since(start).Seconds(), total.Load(), err
	}
}

// roundTrip measures how long one byte takes there and back on an open connection, in µs.
func roundTrip(ctx context.Context, port int, length time.Duration) (p50, p99 float64, err error) {
	c, err := dial(ctx, port, echo)
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	var took []float64
	var b [1]byte
	for start := time.Now(); time.Since(start) < length; {
		t := time.Now()
		if _, err := c.Write(b[:]); err != nil {
			return 0, 0, err
		}
		if _, err := io.ReadFull(c, b[:]); err != nil {
			return 0, 0, err
		}
		took = append(took, float64(time.Since(t).Nanoseconds())/1e3)
	}
	slices.Sort(took)
	if len(took) < 20 {
		return 0, 0, fmt.Errorf("only %d round trips in %v", len(took), length)
	}
	return took[len(took)/2], took[len(took)*99/100], nil
}

// underBulk is roundTrip on one port while data is sent through another.
func underBulk(ctx context.Context, trip, bulk int, length time.Duration) (p50, p99 float64, err error) {
	uploading := make(chan error, 1)
	go func() {
		_, _, err := send(1)(ctx, bulk, length+length/2)
		uploading <- err
	}()
	select {
	case err := <-uploading: // it ended before anything was measured
		return 0, 0, fmt.Errorf("the upload: %w", cmp.Or(err, errors.New("was too short")))
	case <-time.After(length / 4): // the buffers on the way are full by then
	}
	p50, p99, err = roundTrip(ctx, trip, length)
	return p50, p99, errors.Join(err, <-uploading)
}

// carry moves n bytes from the service through a port, and then as many to it.
func carry(ctx context.Context, port int, n int64) error {
	from, err := dial(ctx, port, source)
	if err != nil {
		return err
	}
	defer from.Close()
	if _, err := io.CopyN(io.Discard, from, n); err != nil {
		return err
	}
	to, err := dial(ctx, port, sink)
	if err != nil {
		return err
	}
	defer to.Close()
	if _, err := to.Write(make([]byte, n)); err != nil {
		return err
	}
	if err := to.CloseWrite(); err != nil {
		return err
	}
	_, err = io.ReadFull(to, make([]byte, 1))
	return err
}

// crowd runs f n times at once and returns what went wrong.
func crowd(n int, f func() error) error {
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

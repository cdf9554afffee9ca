package sshtunnel

import "sync"

// The buffers of relays, by their sizes in tuning.go.
var (
	firstBuffers = newBuffers(firstBuffer)
	outBuffers   = newBuffers(outBuffer).after(outBulk)
	inBuffers    = newBuffers(inBuffer).atMost(maxInBuffers, outBuffers)
)

// buffers are those of one size.
type buffers struct {
	pool   sync.Pool
	places chan struct{} // one token per buffer that is taken, nil where there may be any number
	others *buffers      // taken from when all places are
	bulk   int           // a connection gets one once it has carried so much
}

func newBuffers(size int) *buffers {
	return &buffers{pool: sync.Pool{New: func() any { b := make([]byte, size); return &b }}}
}

// atMost has b give out n at a time, and others beyond that.
func (b *buffers) atMost(n int, others *buffers) *buffers {
	b.places, b.others = make(chan struct{}, n), others
	return b
}

// after has b be for connections that have carried n bytes.
func (b *buffers) after(n int) *buffers {
	b.bulk = n
	return b
}

// take returns a buffer and what gives it back, to be called once.
func (b *buffers) take() (buf []byte, back func()) {
	if b.places != nil {
		select {
		case b.places <- struct{}{}:
		default:
			return b.others.take()
		}
	}
	p := b.pool.Get().(*[]byte)
	return *p, func() {
		b.pool.Put(p)
		if b.places != nil {
			<-b.places
		}
	}
}

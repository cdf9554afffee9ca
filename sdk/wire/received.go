package wire

import (
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// A module reads tunnels straight from the bytes of a message, and each only when its turn comes. By way of the generated
// types that takes twice the allocations and four times as long: a list of a thousand would miss its time on a busy machine.

// received is a message with tunnels, as it came.
type received struct{ data []byte }

// asReceived has a call read its answers into a received.
var asReceived = grpc.ForceCodecV2(receiver{encoding.GetCodecV2("proto")})

// receiver is the codec of such calls.
type receiver struct{ encoding.CodecV2 }

// Unmarshal takes a message as it is.
func (c receiver) Unmarshal(data mem.BufferSlice, v any) error {
	if r, ok := v.(*received); ok {
		r.data = data.Materialize()
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}

// views are the tunnels of an answer to a Get or List, unread.
func (r received) views() (all [][]byte, err error) {
	p := part{r.data, new(bool)}
	for f := range p.fields {
		if f.number == listTunnel || f.number == listTunnels {
			all = append(all, f.data)
		}
	}
	return all, p.err()
}

// change is that of an answer to a Watch.
func (r received) change() (c tunnel.Change, err error) {
	p := part{r.data, new(bool)}
	for f := range p.fields {
		switch f.number {
		case watchType:
			c.Type = tunnel.ChangeType(f.text())
		case watchTunnel:
			c.Tunnel = viewOf(f.part)
		}
	}
	return c, p.err()
}

// readView reads one tunnel.
func readView(data []byte) (tunnel.View, error) {
	p := part{data, new(bool)}
	return viewOf(p), p.err()
}

var errMalformed = errors.New("a message of the host is malformed")

// part is an encoded message, or a text in one.
type part struct {
	data      []byte
	malformed *bool // whether anything that it is part of is
}

func (p part) err() error {
	if *p.malformed {
		return errMalformed
	}
	return nil
}

// text is p as a text, which keeps nothing of the message.
func (p part) text() string { return string(p.data) }

// field is one field of a message: a number, or a text or message.
type field struct {
	number protowire.Number
	varint uint64
	part
}

// int is a number that may be less than nothing.
func (f field) int() int { return int(int64(f.varint)) }

// fields yields the fields of a message in their order, up to where it is malformed.
func (p part) fields(yield func(field) bool) {
	for b := p.data; len(b) > 0; {
		number, kind, size := protowire.ConsumeTag(b)
		f := field{number: number, part: part{nil, p.malformed}}
		if size >= 0 {
			b = b[size:]
			switch kind {
			case protowire.VarintType:
				f.varint, size = protowire.ConsumeVarint(b)
			case protowire.BytesType:
				f.data, size = protowire.ConsumeBytes(b)
			default: // of a field that is not known yet
				size = protowire.ConsumeFieldValue(number, kind, b)
			}
		}
		if size < 0 {
			*p.malformed = true
			return
		}
		b = b[size:]
		if !yield(f) {
			return
		}
	}
}

// room is for all fields of that number, nil where there are none.
func room[T any](p part, number protowire.Number) []T {
	n := 0
	for f := range p.fields {
		if f.number == number {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return make([]T, 0, n)
}

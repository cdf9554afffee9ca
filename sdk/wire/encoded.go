package wire

import (
	"iter"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Every module is shown the same tunnels: each is encoded once, as a View, and answers are put together of such ones. The
// garbage that encoding them for each answer makes would cost the host far more than the encoding.

// encoded is a message that needs no encoding any more.
type encoded struct{ mem.BufferSlice }

// Fields of the messages that are put together here.
const (
	listTunnel, listTunnels protowire.Number = 1, 2 // of a ListResponse
	watchType, watchTunnel  protowire.Number = 1, 2 // of a WatchResponse
)

func encodeView(v tunnel.View) ([]byte, error) { return proto.Marshal(viewTo(v)) }

// answerSize is about how many bytes an answer with several tunnels has: each answer costs both ends a hand-over between
// processes, which takes long on a busy machine.
const answerSize = 64 << 10

// answers are the answers to a List, of one tunnel each, or of several.
func answers(all []*tunnel.Shown, several bool) iter.Seq2[encoded, error] {
	return func(yield func(encoded, error) bool) {
		field, most := listTunnel, 0
		if several {
			field, most = listTunnels, answerSize
		}
		for len(all) > 0 {
			a, n, err := answer(all, field, most)
			if !yield(a, err) || err != nil {
				return
			}
			all = all[n:]
		}
	}
}

// answer holds the first of all: one, and more while they are no more bytes than most.
func answer(all []*tunnel.Shown, field protowire.Number, most int) (a encoded, n int, err error) {
	size := 0
	for _, s := range all {
		view, err := s.Form(encodeView)
		if err != nil {
			return encoded{}, 0, err
		}
		more := fieldSize(field, len(view))
		if n > 0 && size+more > most {
			break
		}
		n, size = n+1, size+more
	}
	pool := mem.DefaultBufferPool()
	data := pool.Get(size)
	b := (*data)[:0]
	for _, s := range all[:n] {
		view, _ := s.Form(encodeView)
		b = appendField(b, field, view)
	}
	return encoded{mem.BufferSlice{mem.NewBuffer(data, pool)}}, n, nil
}

// encodeChange is a change as it is sent.
func encodeChange(c tunnel.ShownChange) (encoded, error) {
	b := appendField(nil, watchType, []byte(c.Type))
	var view []byte
	var err error
	switch c.Type {
	case tunnel.Present, tunnel.Changed:
		view, err = c.Tunnel.Form(encodeView)
	case tunnel.Removed:
		view, err = proto.Marshal(&hostv1.View{Tunnel: &hostv1.Tunnel{Ref: c.Tunnel.View().Ref.String()}})
	}
	if len(view) > 0 {
		b = appendField(b, watchTunnel, view)
	}
	return encoded{mem.BufferSlice{mem.SliceBuffer(b)}}, err
}

func appendField(b []byte, field protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), value)
}

// fieldSize is how many bytes appendField appends.
func fieldSize(field protowire.Number, n int) int {
	return protowire.SizeTag(field) + protowire.SizeBytes(n)
}

package wire

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that frugal checks for
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// frugal is the codec of the host's end. What is encoded already goes out as it is. Of what comes from a module a message of
// the largest size can hold two million empty elements, each of which takes fifty times as much memory as bytes: so it
// counts them before it makes any. What is only somewhat too much passes, for counts says it better.
type frugal struct{ encoding.CodecV2 }

func newFrugal() frugal { return frugal{encoding.GetCodecV2("proto")} }

// Marshal takes over what is encoded.
func (c frugal) Marshal(v any) (mem.BufferSlice, error) {
	if m, ok := v.(encoded); ok {
		return m.BufferSlice, nil
	}
	return c.CodecV2.Marshal(v)
}

// Unmarshal reads a message, or refuses one of very many elements.
func (c frugal) Unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(proto.Message); ok {
		flat := data.MaterializeToBuffer(mem.DefaultBufferPool())
		defer flat.Free()
		if n, _ := elements(m.ProtoReflect().Descriptor(), flat.ReadOnlyData(), maxEncoded); n > maxEncoded {
			return fmt.Errorf("its lists hold more than %d elements", maxElements)
		}
	}
	return c.CodecV2.Unmarshal(data, v)
}

// maxEncoded is how many elements are counted before a message is refused unread.
const maxEncoded = 2 * maxElements

// elements counts the elements of the lists in an encoded message, no further than most. ok is false where it is
// malformed, which whoever reads it finds out.
func elements(d protoreflect.MessageDescriptor, b []byte, most int) (n int, ok bool) {
	for len(b) > 0 && n <= most {
		num, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return n, false
		}
		b = b[size:]
		if size = protowire.ConsumeFieldValue(num, kind, b); size < 0 {
			return n, false
		}
		value := b[:size]
		b = b[size:]
		n += fieldElements(d.Fields().ByNumber(num), kind, value, most-n)
	}
	return n, true
}

// fieldElements counts one field as it stands there: an element of a list with all that is in it.
func fieldElements(f protoreflect.FieldDescriptor, kind protowire.Type, value []byte, most int) (n int) {
	if f == nil {
		return 0
	}
	if f.IsList() {
		n = 1
	}
	if kind != protowire.BytesType {
		return n
	}
	inner, _ := protowire.ConsumeBytes(value)
	if f.Message() != nil {
		below, _ := elements(f.Message(), inner, most)
		return n + below
	}
	if f.IsList() && f.Kind() != protoreflect.StringKind && f.Kind() != protoreflect.BytesKind {
		return len(inner) // packed numbers, of at least a byte each
	}
	return n
}

package wire

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// maxElements is how many elements the lists of one message from a module may hold together.
const maxElements = 10 * MaxList

// bounds says what is wrong with the form of a message from a module: too many elements, or else unknown fields and
// over-long texts. It walks whatever the message has, so a field that is added later is covered unasked.
func bounds(m proto.Message) tunnel.Findings {
	if fs := counts(m); len(fs) > 0 {
		return fs
	}
	return contents(m)
}

// counts says that the lists are too long. It looks at no element more than they may hold and is cheap: to be asked
// before anything else is done with a message.
func counts(m proto.Message) (fs tunnel.Findings) {
	total := 0
	walk(m.ProtoReflect(), visitor{
		list: func(at place, n int) bool {
			if total += n; n > MaxList {
				fs = append(fs, tooMany(at, n, MaxList, "a list"))
			} else if total > maxElements {
				fs = append(fs, tooMany(nil, total, maxElements, "the lists of a message"))
			}
			return len(fs) == 0
		},
		message: func(place, protoreflect.Message) {},
		text:    func(place, string, int) {},
	})
	return fs[:min(len(fs), 1)]
}

// contents is what bounds says beside counts.
func contents(m proto.Message) tunnel.Findings {
	var fs tunnel.Findings
	walk(m.ProtoReflect(), visitor{
		message: func(at place, m protoreflect.Message) {
			if n := len(m.GetUnknown()); n > 0 {
				fs = append(fs, unknownFields(at.String(), m, n))
			}
		},
		list: func(place, int) bool { return len(fs) < maxFindings },
		text: func(at place, s string, limit int) {
			if len(s) > limit {
				fs = append(fs, tooLong(at.String(), s, limit))
			}
		},
	})
	return fs[:min(len(fs), maxFindings)]
}

func unknownFields(field string, m protoreflect.Message, n int) tunnel.Finding {
	return tunnel.Finding{
		Code: tunnel.UnknownKey, Field: field,
		Message: fmt.Sprintf("%s holds %d bytes of fields that this version of the contract does not have", m.Descriptor().FullName(), n),
		WayOut:  "update the host, or build the module with the SDK of its version",
	}
}

func tooMany(at place, n, limit int, what string) tunnel.Finding {
	return tunnel.Finding{
		Code: tunnel.TooMany, Field: at.String(), Value: fmt.Sprint(n),
		Message: fmt.Sprintf("%d elements are more than the %d %s may hold", n, limit, what),
		WayOut:  "send fewer at once",
	}
}

func tooLong(field, s string, limit int) tunnel.Finding {
	return tunnel.Finding{
		Code: tunnel.TooLong, Field: field, Value: tunnel.Clean(s, 40),
		Message: fmt.Sprintf("%d bytes are more than the %d it may hold", len(s), limit),
		WayOut:  "shorten it",
	}
}

// place is where in a message something is: the fields on the way to it. It is a text only for those who ask. It holds
// during the call it is given to.
type place []step

// step is one field, and with at >= 0 one element of it.
type step struct {
	name protoreflect.Name
	at   int
}

// String is like declarations[1].slots[0].
func (p place) String() string {
	var b strings.Builder
	for i, s := range p {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(string(s.name))
		if s.at >= 0 {
			fmt.Fprintf(&b, "[%d]", s.at)
		}
	}
	return b.String()
}

// visitor is told what walk finds, each with its place in the message. list returns whether to look at the elements.
type visitor struct {
	message func(at place, m protoreflect.Message)
	list    func(at place, n int) bool
	text    func(at place, s string, limit int)
}

// walk visits every message, list and text in m; bytes are texts too. The contract has no maps.
func walk(m protoreflect.Message, v visitor) { v.walk(m, make(place, 0, 8)) }

func (v visitor) walk(m protoreflect.Message, at place) {
	v.message(at, m)
	m.Range(func(fd protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		field := append(at, step{fd.Name(), -1})
		if !fd.IsList() {
			v.visit(fd, value, field)
			return true
		}
		if list := value.List(); v.list(field, list.Len()) {
			for i := range list.Len() {
				field[len(at)].at = i
				v.visit(fd, list.Get(i), field)
			}
		}
		return true
	})
}

func (v visitor) visit(fd protoreflect.FieldDescriptor, value protoreflect.Value, at place) {
	switch fd.Kind() {
	case protoreflect.StringKind:
		v.text(at, value.String(), MaxText)
	case protoreflect.BytesKind:
		v.text(at, string(value.Bytes()), MaxSchema)
	case protoreflect.MessageKind:
		v.walk(value.Message(), at)
	}
}

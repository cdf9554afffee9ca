package wire

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// bounds says what is wrong with the form of a message from a module: unknown fields, over-long texts, too many
// elements. It walks whatever the message has, so a field that is added later is covered unasked.
func bounds(m proto.Message) tunnel.Findings {
	var fs tunnel.Findings
	walk(m.ProtoReflect(), "", visitor{
		message: func(field string, m protoreflect.Message) {
			if n := len(m.GetUnknown()); n > 0 {
				fs = append(fs, unknownFields(field, m, n))
			}
		},
		list: func(field string, n int) bool {
			if n > MaxList {
				fs = append(fs, tooMany(field, n))
			}
			return n <= MaxList && len(fs) < maxFindings
		},
		text: func(field, s string, limit int) {
			if len(s) > limit {
				fs = append(fs, tooLong(field, s, limit))
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

func tooMany(field string, n int) tunnel.Finding {
	return tunnel.Finding{
		Code: tunnel.TooMany, Field: field, Value: fmt.Sprint(n),
		Message: fmt.Sprintf("%d elements are more than the %d a list may hold", n, MaxList),
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

// visitor is told what walk finds, each with its place in the message. list returns whether to look at the elements.
type visitor struct {
	message func(field string, m protoreflect.Message)
	list    func(field string, n int) bool
	text    func(field, s string, limit int)
}

// walk visits every message, list and text in m; bytes are texts too. The contract has no maps.
func walk(m protoreflect.Message, at string, v visitor) {
	v.message(at, m)
	m.Range(func(fd protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		field := string(fd.Name())
		if at != "" {
			field = at + "." + field
		}
		if !fd.IsList() {
			visit(fd, value, field, v)
			return true
		}
		if list := value.List(); v.list(field, list.Len()) {
			for i := range list.Len() {
				visit(fd, list.Get(i), fmt.Sprintf("%s[%d]", field, i), v)
			}
		}
		return true
	})
}

func visit(fd protoreflect.FieldDescriptor, value protoreflect.Value, field string, v visitor) {
	switch fd.Kind() {
	case protoreflect.StringKind:
		v.text(field, value.String(), MaxText)
	case protoreflect.BytesKind:
		v.text(field, string(value.Bytes()), MaxSchema)
	case protoreflect.MessageKind:
		walk(value.Message(), field, v)
	}
}

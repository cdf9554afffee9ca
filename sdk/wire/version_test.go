package wire

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
	pluginv1 "github.com/culvert-pbx/culvert/proto/plugin/v1"
)

const keptContracts = "../../.ci/contract"

// Each version that hosts speak is kept as it was, and no other.
func TestEverySpokenVersionIsKept(t *testing.T) {
	var want []string
	for _, v := range Versions() {
		want = append(want, fmt.Sprintf("%s/%d.binpb", keptContracts, v))
	}
	got, err := filepath.Glob(keptContracts + "/*")
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("kept are %q, %v; spoken are %q: task contract keeps the newest", got, err, want)
	}
	if offered := HostPlugins(); len(offered) != len(Versions()) || offered[oldest] == nil || offered[Version] == nil {
		t.Errorf("the host offers %v", offered)
	}
}

// A host refuses fields it does not know from a module: one more of them is a new version.
func TestWhatModulesSendIsThatOfTheirVersion(t *testing.T) {
	b, err := os.ReadFile(fmt.Sprintf("%s/%d.binpb", keptContracts, Version))
	if err != nil {
		t.Fatal(err)
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(b, &set); err != nil {
		t.Fatal(err)
	}
	kept, err := protodesc.NewFiles(&set)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct {
		service protoreflect.ServiceDescriptor
		sent    func(protoreflect.MethodDescriptor) protoreflect.MessageDescriptor
	}{
		{hostv1.File_host_v1_host_proto.Services().ByName("HostService"), protoreflect.MethodDescriptor.Input},
		{pluginv1.File_plugin_v1_plugin_proto.Services().ByName("PluginService"), protoreflect.MethodDescriptor.Output},
	} {
		for i := range s.service.Methods().Len() {
			for _, f := range fieldsOf(s.sent(s.service.Methods().Get(i)), nil) {
				if _, err := kept.FindDescriptorByName(f); err != nil {
					t.Errorf("modules send %s, which version %d does not have: raise Version, or where no release has it run task contract", f, Version)
				}
			}
		}
	}
}

// fieldsOf are the full names of a message's fields, with those of the messages in it.
func fieldsOf(m protoreflect.MessageDescriptor, seen []protoreflect.FullName) []protoreflect.FullName {
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if slices.Contains(seen, f.FullName()) {
			continue
		}
		seen = append(seen, f.FullName())
		if inner := f.Message(); inner != nil {
			seen = fieldsOf(inner, seen)
		}
	}
	return seen
}

func TestACallThatTheOtherEndDoesNotHave(t *testing.T) {
	err := decode(status.Error(codes.Unimplemented, "unknown method Test for service culvert.plugin.v1.PluginService"))
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "unknown method Test") {
		t.Errorf("it is %v", err)
	}
}

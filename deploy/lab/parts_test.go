package lab

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// aLab is a lab in a temporary folder, with a cache of its own.
func aLab(t *testing.T) *Lab {
	t.Helper()
	t.Setenv("LAB_CACHE", filepath.Join(t.TempDir(), "cache"))
	l, err := Open(filepath.Join(t.TempDir(), "lab"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestPartsShareNothing(t *testing.T) {
	const ephemeral = 32768 // from here on Linux hands out ports to clients, which may then be in a server's way
	owner := map[int]string{}
	names := map[string]bool{}
	for _, p := range aLab(t).parts {
		if names[p.name] {
			t.Errorf("there are two parts named %s", p.name)
		}
		names[p.name] = true
		for _, port := range p.ports {
			if other, taken := owner[port.number]; taken {
				t.Errorf("%s and %s share port %d", other, p.name, port.number)
			}
			if port.number <= 0 || port.number >= ephemeral {
				t.Errorf("%s has port %d", p.name, port.number)
			}
			owner[port.number] = p.name
		}
	}
}

func TestPartsNeedOnlyEarlierOnes(t *testing.T) {
	var earlier []string
	for _, p := range aLab(t).parts {
		for _, need := range p.needs {
			if !slices.Contains(earlier, need) {
				t.Errorf("%s needs %s, which does not stand before it", p.name, need)
			}
		}
		earlier = append(earlier, p.name)
	}
}

func TestUpStartsTheClusterOfTheIssue(t *testing.T) {
	var required, optional []string
	for _, p := range aLab(t).parts {
		switch {
		case usual().includes(p):
			required = append(required, p.name)
		case p.number == 0:
			optional = append(optional, p.name)
		}
	}
	want := "etcd minio pulsar standalone rootcoord datacoord querycoord indexcoord datanode-1 datanode-2 " +
		"querynode-1 querynode-2 indexnode-1 proxy-1 proxy-2 lite-2.5 lite-3"
	if got := strings.Join(required, " "); got != want {
		t.Errorf("Up starts %s; want %s", got, want)
	}
	if got := strings.Join(optional, " "); got != "standalone-secure minio-secure standalone-limited standalone-spare lite-2.5-spare standalone-remote" {
		t.Errorf("optional are %s", got)
	}
}

func TestUnknownPartNamesTheKnown(t *testing.T) {
	_, err := aLab(t).part("querynode")
	if !matches(err, "querynode-1") {
		t.Errorf("error %v; want one that lists the parts", err)
	}
}

package memory_test

import (
	"testing"

	"migrate/sinks/contract"
	"migrate/sinks/memory"
)

func TestContract(t *testing.T) {
	sink := &memory.Sink{}
	for _, check := range append(contract.Checks(), contract.SwapChecks()...) {
		t.Run(check.Name, func(t *testing.T) {
			if err := check.Run(t.Context(), sink); err != nil {
				t.Error(err)
			}
		})
	}
}

package contract_test

import (
	"testing"

	"migrate/sinks"
	"migrate/sinks/contract"
)

func TestLocalKeepsTheContract(t *testing.T) {
	sink, err := sinks.NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	keepsTheContract(t, sink)
}

func keepsTheContract(t *testing.T, sink sinks.Sink) {
	t.Helper()
	for _, check := range append(contract.Checks(), contract.SwapChecks()...) {
		t.Run(check.Name, func(t *testing.T) {
			if err := check.Run(t.Context(), sink); err != nil {
				t.Error(err)
			}
		})
	}
}

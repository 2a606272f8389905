package milvus

import "testing"

// TestAddNodes takes the query nodes from a topology as Milvus 2.3.5 gives it.
func TestAddNodes(t *testing.T) {
	var room Room
	err := room.addNodes(`{"nodes_info": [
		{"infos": {"name": "querynode5", "hardware_infos": {"memory": 1000, "memory_usage": 300}}},
		{"infos": {"name": "querynode6", "hardware_infos": {"memory": 1000, "memory_usage": 1200}}},
		{"infos": {"name": "querynode7", "has_error": true}},
		{"infos": {"name": "datanode4", "hardware_infos": {"memory": 5000, "memory_usage": 1}}}]}`)
	if want := (Room{QueryNodes: 2, Memory: 2000, MemoryFree: 700}); err != nil || room != want {
		t.Errorf("%+v, %v; want %+v", room, err, want)
	}
	if err := room.addNodes("metrics are off"); err == nil {
		t.Error("no JSON was taken for a topology")
	}
}

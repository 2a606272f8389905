package main

var boards = []board{cluster, migration}

// cluster shows how the cluster fares: who is there, what is asked of it, and what its stores do.
var cluster = board{name: "milvus-cluster", title: "Milvus cluster", rows: []row{
	{"Roles", []panel{
		{"Answering", "none", []line{{`count by (role) (up == 1)`, "{{role}}"}}},
		{"CPU", "none", []line{{`sum by (role) (rate(process_cpu_seconds_total[$__rate_interval]))`, "{{role}}"}}},
		{"Memory", "bytes", []line{{`sum by (role) (process_resident_memory_bytes)`, "{{role}}"}}},
	}},
	{"Nodes that the coordinators know", []panel{
		{"Nodes", "none", []line{
			{`max(milvus_querycoord_querynode_num)`, "query nodes"},
			{`max(milvus_datacoord_datanode_num)`, "data nodes"},
			{`max(milvus_datacoord_index_node_num)`, "index nodes"},
			{`max(milvus_rootcoord_proxy_num)`, "proxies"},
		}},
		{"Segments by state", "none", []line{
			// From 2.4 on each level is a series of its own. Of several coordinators the active one knows the most.
			{`max by (segment_state) (sum by (segment_state, instance) (milvus_datacoord_segment_num{role="datacoord"}))`, "{{segment_state}}"},
		}},
		{"Rows stored", "none", []line{{`sum(milvus_datacoord_stored_rows_num{role="datacoord"})`, "rows"}}},
	}},
	{"Requests", []panel{
		{"Requests", "reqps", []line{
			{`sum by (function_name) (rate(milvus_proxy_req_count{status="total",role="proxy"}[$__rate_interval]))`, "{{function_name}}"},
		}},
		{"Not successful", "reqps", []line{
			{`sum(rate(milvus_proxy_req_count{status="total",role="proxy"}[$__rate_interval])) - ` +
				`sum(rate(milvus_proxy_req_count{status="success",role="proxy"}[$__rate_interval]))`, "failed, given up or still running"},
		}},
		{"Latency at the proxies", "ms", []line{
			{`histogram_quantile(0.5, sum by (le) (rate(milvus_proxy_sq_latency_bucket{role="proxy"}[$__rate_interval])))`, "search and query, P50"},
			{`histogram_quantile(0.99, sum by (le) (rate(milvus_proxy_sq_latency_bucket{role="proxy"}[$__rate_interval])))`, "search and query, P99"},
		}},
	}},
	{"Nodes at work", []panel{
		{"Query nodes: latency P99", "ms", []line{
			{`histogram_quantile(0.99, sum by (le) (rate(milvus_querynode_sq_req_latency_bucket{role="querynode"}[$__rate_interval])))`, "search and query"},
		}},
		{"Query nodes: rows held", "none", []line{{`sum by (instance) (milvus_querynode_entity_num{role="querynode"})`, "{{instance}}"}}},
		{"Behind what was written", "ms", []line{
			{`max by (instance) (milvus_querynode_consume_tt_lag_ms{role="querynode"})`, "query node {{instance}}"},
			{`max by (instance) (milvus_datanode_consume_tt_lag_ms{role="datanode"})`, "data node {{instance}}"},
		}},
	}},
	{"Stores", []panel{
		{"etcd: size", "bytes", []line{
			{`max(etcd_mvcc_db_total_size_in_bytes)`, "used"},
			{`min(etcd_server_quota_backend_bytes)`, "quota"},
		}},
		{"etcd: mean write to disk", "s", []line{ // 0 where there was none
			{`sum by (instance) (rate(etcd_disk_wal_fsync_duration_seconds_sum[$__rate_interval])) / ` +
				`clamp_min(sum by (instance) (rate(etcd_disk_wal_fsync_duration_seconds_count[$__rate_interval])), 0.001)`, "{{instance}}"},
		}},
		{"MinIO: room", "bytes", []line{
			{`max(minio_cluster_capacity_usable_total_bytes)`, "total"},
			{`max(minio_cluster_capacity_usable_free_bytes)`, "free"},
		}},
		{"Pulsar: messages not yet read", "none", []line{{`sum(pulsar_msg_backlog)`, "messages"}}},
	}},
}}

// migration shows both ends of a move: what is read of the standalone, and what becomes of it in the cluster.
var migration = board{name: "milvus-migration", title: "Milvus migration", rows: []row{
	{"Source (the standalone service)", []panel{
		{"Queries", "reqps", []line{
			{`sum(rate(milvus_proxy_req_count{role="standalone",function_name="Query",status="total"}[$__rate_interval]))`, "queries"},
		}},
		{"Sent to clients", "Bps", []line{
			{`sum(rate(milvus_proxy_send_bytes_count{role="standalone"}[$__rate_interval]))`, "bytes/s"},
		}},
		{"CPU", "none", []line{{`sum(rate(process_cpu_seconds_total{role="standalone"}[$__rate_interval]))`, "cores"}}},
	}},
	{"Exports and staged parts (MinIO)", []panel{
		{"Traffic", "Bps", []line{
			{`sum(rate(minio_s3_traffic_received_bytes[$__rate_interval]))`, "received"},
			{`sum(rate(minio_s3_traffic_sent_bytes[$__rate_interval]))`, "sent"},
		}},
		{"Requests", "reqps", []line{{`sum by (api) (rate(minio_s3_requests_total[$__rate_interval]))`, "{{api}}"}}},
	}},
	{"Target: bulk insert", []panel{
		{"Imports asked for", "none", []line{
			{`sum(milvus_proxy_req_count{role="proxy",function_name=~"Import|ImportV2",status="total"})`, "asked for"},
			{`sum(milvus_proxy_req_count{role="proxy",function_name=~"Import|ImportV2",status="success"})`, "taken"},
		}},
		{"Rows stored", "none", []line{
			{`sum by (collection_id) (milvus_datacoord_stored_rows_num{role="datacoord"})`, "collection {{collection_id}}"},
		}},
		{"CPU of the workers", "none", []line{
			{`sum by (role) (rate(process_cpu_seconds_total{role=~"datanode|indexnode|querynode"}[$__rate_interval]))`, "{{role}}"},
		}},
	}},
	{"Sync (the daemon)", []panel{
		{"Lag", "s", []line{{`max(migrate_lag_seconds{role="sync"})`, "lag"}}},
		{"Rows applied", "none", []line{
			{`sum by (operation) (increase(migrate_rows_applied_total{role="sync"}[$__rate_interval]))`, "{{operation}}"},
		}},
		{"Ranges that differ", "none", []line{{`max(migrate_ranges_differing{role="sync"})`, "ranges"}}},
	}},
	{"Target: ready to be searched", []panel{
		{"Rows that query nodes hold", "none", []line{
			{`sum by (collection_id) (milvus_querynode_entity_num{role="querynode"})`, "collection {{collection_id}}"},
		}},
		{"Tasks of the query coordinator", "none", []line{
			{`sum by (querycoord_task_type) (milvus_querycoord_task_num{role="querycoord"})`, "{{querycoord_task_type}}"},
		}},
		{"Memory of the query nodes", "bytes", []line{
			{`sum by (instance) (process_resident_memory_bytes{role="querynode"})`, "{{instance}}"},
		}},
	}},
}}

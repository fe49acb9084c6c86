create table region (
    r_regionkey integer primary key,
    r_name varchar
);
create table nation (
    n_nationkey integer primary key,
    n_name varchar,
    n_regionkey integer
);
create table supplier (
    s_suppkey integer primary key,
    s_name varchar,
    s_address varchar,
    s_nationkey integer,
    s_phone varchar,
    s_acctbal numeric,
    s_comment varchar
);
create table customer (
    c_custkey integer primary key,
    c_name varchar,
    c_address varchar,
    c_nationkey integer,
    c_phone varchar,
    c_acctbal numeric,
    c_mktsegment varchar,
    c_comment varchar
);
create table part (
    p_partkey integer primary key,
    p_name varchar,
    p_mfgr varchar,
    p_brand varchar,
    p_type varchar,
    p_size integer,
    p_container varchar
);
create table partsupp (
    ps_partkey integer,
    ps_suppkey integer,
    ps_availqty integer,
    ps_supplycost numeric,
    primary key (ps_partkey, ps_suppkey)
);
create table orders (
    o_orderkey integer primary key,
    o_custkey integer,
    o_orderstatus varchar,
    o_totalprice numeric,
    o_orderdate date,
    o_orderpriority varchar,
    o_shippriority integer,
    o_comment varchar
);
create table lineitem (
    l_orderkey integer,
    l_linenumber integer,
    l_partkey integer,
    l_suppkey integer,
    l_quantity numeric,
    l_extendedprice numeric,
    l_discount numeric,
    l_tax numeric,
    l_returnflag varchar,
    l_linestatus varchar,
    l_shipdate date,
    l_commitdate date,
    l_receiptdate date,
    l_shipinstruct varchar,
    l_shipmode varchar,
    primary key (l_orderkey, l_linenumber)
)

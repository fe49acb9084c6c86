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
    su_suppkey integer primary key,
    su_name varchar,
    su_address varchar,
    su_nationkey integer,
    su_phone varchar,
    su_comment varchar
);
create table customer (
    c_id integer,
    c_d_id integer,
    c_w_id integer,
    c_last varchar,
    c_city varchar,
    c_state varchar,
    c_phone varchar,
    c_balance numeric,
    primary key (c_id, c_d_id, c_w_id)
);
create table item (
    i_id integer primary key,
    i_name varchar,
    i_price numeric,
    i_data varchar
);
create table stock (
    s_i_id integer,
    s_w_id integer,
    s_quantity integer,
    s_order_cnt integer,
    primary key (s_i_id, s_w_id)
);
create table orders (
    o_id integer,
    o_d_id integer,
    o_w_id integer,
    o_c_id integer,
    o_entry_d timestamp,
    o_carrier_id integer,
    o_ol_cnt integer,
    primary key (o_id, o_d_id, o_w_id)
);
create table neworder (
    no_o_id integer,
    no_d_id integer,
    no_w_id integer,
    primary key (no_o_id, no_d_id, no_w_id)
);
create table orderline (
    ol_o_id integer,
    ol_d_id integer,
    ol_w_id integer,
    ol_number integer,
    ol_i_id integer,
    ol_supply_w_id integer,
    ol_delivery_d timestamp,
    ol_quantity integer,
    ol_amount numeric,
    primary key (ol_o_id, ol_d_id, ol_w_id, ol_number)
)
